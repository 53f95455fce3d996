"""Pages of operators: what is wrong, centres, and runs; and the public overview."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Flask, Response, current_app, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge import __version__
from lms_bridge.admin import queries, run_filters
from lms_bridge.admin.held_pages import WORDS
from lms_bridge.admin.matters import PAGES, STOPPED, command_for, in_words, is_wrong
from lms_bridge.admin.run_filters import NAMES, STATES, RunFilter
from lms_bridge.api.documents import SHOWN_VALUES
from lms_bridge.audit import FLOWS
from lms_bridge.bridge import Bridge
from lms_bridge.catalogue import queries as catalogue_queries
from lms_bridge.catalogue.page_cache import cached
from lms_bridge.console.summary import in_words as in_words_of
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Centre, Flow, Kind
from lms_bridge.domain.translations import reader_texts
from lms_bridge.jobs.schedule import jobs_of
from lms_bridge.store import accounts, flow_states
from lms_bridge.store import centres as stored_centres
from lms_bridge.store import memberships as stored_memberships
from lms_bridge.store import runs as stored_runs
from lms_bridge.store.attention import AttentionCounts, Matter, findings
from lms_bridge.store.centre_checks import find_check
from lms_bridge.store.failures import RETRY_SECONDS, UNREACHABLE, storage_failure
from lms_bridge.store.run_items import ItemFilter, items_page
from lms_bridge.store.run_lists import newest_runs
from lms_bridge.store.run_tables import run as run_table
from lms_bridge.store.write_check import WriteCheck
from lms_bridge.sync.run_state import state_in_words, worst
from lms_bridge.web import typed_text
from lms_bridge.web.access import centre_for, centres_for, needs, the_bridge
from lms_bridge.web.languages import counted, wanted_languages
from lms_bridge.web.paging import SIZE, number_param

public_pages = Blueprint("public", __name__)
operator_pages = Blueprint("admin", __name__)
JOBS = {
    "catalogue": "Nightly run: everything, in full",
    "offerings": "Offerings from files and chosen resources",
    "enrolments": "Enrolments: what changed",
    "results": "Results",
}
_PROBE, _ATTENTION = "lms_bridge_probe", "lms_bridge_attention"
ITEMS = 200
"""Items on one page of a run."""
ON_FRONT = 5
"""Offerings of each kind on the front page."""


@dataclass(frozen=True, slots=True)
class NextJob:
    """The next job of its kind."""

    title: str
    centre: Centre
    at: datetime


@public_pages.get("/")
@cached(seconds=10)
def overview() -> str:
    """Its numbers of enrolments and results may be some seconds old."""
    now, wanted = utc_now(), wanted_languages()
    with the_bridge().database.reading() as tx:
        listed = catalogue_queries.count_listed(tx)
        numbers = queries.count_public(tx)
        soon = catalogue_queries.starting_soon(tx, now, ON_FRONT)
        new = catalogue_queries.recently_published(tx, now, ON_FRONT)
    return render_template(
        "overview.html",
        offerings=listed,
        soon=[(each, reader_texts(each.fields, wanted)) for each in soon],
        new=[(each, reader_texts(each.fields, wanted)) for each in new],
        **numbers,
    )


@operator_pages.get("/operations")
@needs(Scope.READ_OPERATIONS)
def operations() -> str:
    """What waits, what runs next, and what ran last, of the centres that the reader may see."""
    bridge, now = the_bridge(), utc_now()
    with bridge.database.reading() as tx:
        codes = centres_for(tx, Scope.READ_OPERATIONS)
        active = [
            each
            for each in stored_centres.all_centres(tx, active_only=True)
            if codes is None or each.code in codes
        ]
        waiting = queries.count_waiting(tx, codes)
        found = findings(tx, now, codes)
        last = newest_runs(tx, [run_table.c.flows.not_in(FLOWS)], centres=codes, most=8)
        clock = queries.clock_state(tx, now, enabled=bridge.settings.clock.enabled)
    stopped = clock == "stopped"
    matters = [in_words(each, counted) for each in found]
    return render_template(
        "operations.html",
        waiting=waiting,
        last=last,
        clock=clock,
        found=[
            (each, words, command_for(each)) for each, words in zip(found, matters, strict=True)
        ],
        matters=[*([gettext(STOPPED)] if stopped else []), *matters],
        wrong=is_wrong(found, stopped=stopped),
        pages=PAGES,
        due=next_of_each_kind(bridge, active, now),
        names={centre.code: centre for centre in active},
    )


def attention_count() -> int:
    """How many matters need the reader's attention, for the menu: one query of each kind, every
    ten seconds at most. 0 where the database does not answer: the menu is on its page, too."""
    return sum(1 for number in _counts().values() if number)


COUNTED = {
    "holds.show_all": Matter.HOLDS,
    "people.show_all": Matter.PEOPLE_UNMATCHED,
    "quarantine.show_quarantine": Matter.QUARANTINED,
    "connections.show": Matter.CONNECTIONS_WAITING,
    "webhooks.show": Matter.WEBHOOKS_OFF,
}
"""The pages beside which the menu shows how much waits on them."""


def counts_of_menu() -> dict[str, Callable[[], int]]:
    """{endpoint: how much waits there, of what the reader may see}"""

    def count_of(matter: Matter) -> Callable[[], int]:
        return lambda: _counts().get(matter, 0)

    counts = {endpoint: count_of(matter) for endpoint, matter in COUNTED.items()}
    return {"admin.operations": attention_count} | counts


def _counts() -> Mapping[str, int]:
    """Looked up once for a request."""
    if "attention_counts" not in g:
        g.attention_counts = {}
        try:
            with the_bridge().database.reading() as tx:
                codes = centres_for(tx, Scope.READ_OPERATIONS)
            kept: AttentionCounts = current_app.extensions[_ATTENTION]
            g.attention_counts = kept.counts(utc_now(), codes)
        except SQLAlchemyError:
            pass
    found: Mapping[str, int] = g.attention_counts
    return found


def next_of_each_kind(bridge: Bridge, active: Sequence[Centre], now: datetime) -> list[NextJob]:
    """The next job of each kind, over all centres."""
    soonest: dict[str, NextJob] = {}
    for centre in active:
        for job in jobs_of(centre, bridge.settings.clock):
            at = job.after(now)
            known = soonest.get(job.kind)
            if at is not None and (known is None or at < known.at):
                soonest[job.kind] = NextJob(JOBS[job.kind], centre, at)
    return [soonest[kind] for kind in JOBS if kind in soonest]


def add_probe_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[_PROBE] = WriteCheck(bridge.database)
    app.extensions[_ATTENTION] = AttentionCounts(bridge.database)


@public_pages.get("/health")
def health() -> ResponseReturnValue:
    """For monitoring: ``status`` is ``ok``, ``degraded`` (the clock has stopped, or something
    needs attention) or ``down``."""
    bridge, now = the_bridge(), utc_now()
    probe: WriteCheck = current_app.extensions[_PROBE]
    attention: AttentionCounts = current_app.extensions[_ATTENTION]
    failure, clock = probe.failure(), "unknown"
    counts: Mapping[str, int] = {}
    if failure is None:
        try:
            with bridge.database.reading() as tx:
                clock = queries.clock_state(tx, now, enabled=bridge.settings.clock.enabled)
            counts = attention.counts(now)
        except SQLAlchemyError as error:
            failure = storage_failure(error)
    if failure is not None:
        database = "unreachable" if failure is UNREACHABLE else failure.code
        return _health("down", database, "unknown", {}), 503, {"Retry-After": str(RETRY_SECONDS)}
    degraded = clock == "stopped" or any(counts.values())
    return _health("degraded" if degraded else "ok", "ok", clock, counts)


def _health(status: str, database: str, clock: str, attention: Mapping[str, int]) -> Response:
    facts = {"status": status, "database": database, "clock": clock, "version": __version__}
    return jsonify(facts | {"attention": attention})


@operator_pages.get("/centres")
@needs(Scope.READ_OPERATIONS)
def centres() -> str:
    with the_bridge().database.reading() as tx:
        codes = centres_for(tx, Scope.READ_OPERATIONS)
        found = stored_centres.all_centres(tx)
        last = queries.last_run_of_each(tx)
        states = flow_states.statuses(tx)
    shown = [each for each in found if codes is None or each.code in codes]
    return render_template(
        "centres.html", centres=shown, last=last, states=states, worst=worst, words=state_in_words
    )


@operator_pages.get("/centres/<code>")
@needs(Scope.READ_OPERATIONS)
def centre(code: str) -> str:
    bridge, now = the_bridge(), utc_now()
    found = centre_for(Scope.READ_OPERATIONS, code)
    with bridge.database.reading() as tx:
        last = stored_runs.last_runs(tx, centre=code, most=20)
        waiting = queries.count_waiting(tx, [code])
        flows = flow_states.freshness(tx, code)
        mine = stored_memberships.memberships_of(tx, code)
        check = find_check(tx, code)
    due = [(JOBS[job.kind], job.after(now)) for job in jobs_of(found, bridge.settings.clock)]
    return render_template(
        "centre.html",
        centre=found,
        memberships=[(each, each.period.status(now.date())) for each in mine],
        runs=last,
        waiting=waiting,
        flows=flows,
        fresh_runs=flow_states.FRESH_RUNS,
        due=due,
        check=check,
        checking=check is not None and check.under_way(now),
        done=request.args.get("done", ""),
    )


@operator_pages.get("/runs")
@needs(Scope.READ_OPERATIONS)
def runs() -> str:
    """Runs, the newest first. With ``live`` the page loads itself anew, without a script."""
    params = {name: _text_param(name) for name in NAMES}
    before = number_param("before")
    with the_bridge().database.reading() as tx:
        within = centres_for(tx, Scope.READ_OPERATIONS)
        codes = [each.code for each in stored_centres.all_centres(tx)]
        found = run_filters.runs(
            tx, RunFilter(**params, before=before), within=within, most=SIZE + 1
        )
    older = found[SIZE - 1].id if len(found) > SIZE else None
    return render_template(
        "runs.html",
        runs=found[:SIZE],
        older=older,
        before=before,
        params=params,
        wanted={name: text for name, text in params.items() if text},
        codes=codes if within is None else [each for each in codes if each in within],
        flows=[*map(str, Flow), *FLOWS],
        statuses=STATES,
        live=request.args.get("live") == "1",
    )


@operator_pages.get("/runs/<int(max=999999999999999999):run_id>")
@needs(Scope.READ_OPERATIONS)
def run(run_id: int) -> str:
    params = {name: _text_param(name) for name in ItemFilter.__slots__}
    after, before = number_param("after"), number_param("before")
    with the_bridge().database.reading() as tx:
        found = stored_runs.run_row(tx, run_id)
        codes = centres_for(tx, Scope.READ_OPERATIONS)
        if found is None or (codes is not None and found.centre not in codes):
            raise NotFound("no-such-run", f"There is no run {run_id}.")
        page = items_page(tx, run_id, ItemFilter(**params), after=after, before=before, most=ITEMS)
        names = queries.offering_names(tx, page.rows)
        labels = run_filters.item_names(tx, page.rows)
        people = accounts.names_of(tx, [found.requested_by or ""])
    counts = split_counts(found.counts)
    of_records = [row for row in counts if row[0] in set(Kind)]
    goes_on = found.status == "running" and not (after or before)
    return render_template(
        "run.html",
        run=found,
        counts=counts,
        items=page,
        names=names,
        people=people,
        labels=labels,
        words=in_words_of(found.counts),
        live=goes_on and "still" not in request.args,
        params=params,
        wanted={name: text for name, text in params.items() if text},
        kinds=sorted({params["kind"], *(kind for kind, *_ in of_records)} - {""}),
        states=sorted({params["state"], *(state for *_, state, _ in of_records)} - {""}),
        kind_words=WORDS,
        shown_values=SHOWN_VALUES,
    )


def _text_param(name: str) -> str:
    return typed_text.line(request.args.get(name, ""), 100)


def split_counts(counts: Mapping[str, int]) -> list[tuple[str, str, str, int]]:
    """(kind, action, state, number) of each count; the action may be empty."""
    rows = []
    for key, number in sorted(counts.items()):
        kind, _, rest = key.partition(".")
        action, _, state = rest.rpartition(".")
        rows.append((kind, action, state, number))
    return rows
