"""Who opens which page, and calls which command, in the world of ``history.fill``."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, insert, select

from benchmarks.history import BIG, CALM, FULL, SILENT
from lms_bridge.api.pagination import cursor
from lms_bridge.api.tokens import add
from lms_bridge.domain.access import EVERYTHING, TOKEN_SCOPES, DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.roles import Role
from lms_bridge.settings import SignInSettings
from lms_bridge.store.account_tables import account, account_role
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import enrolment, learner, offering
from lms_bridge.web import sessions
from tests.operators import COOKIE, sign_in

OPERATOR, LEARNER, ANYBODY = "operator", "learner", "anybody"
TOKENS = {
    "token": EVERYTHING,
    "token of a region": DataScope(region="africa"),
    "token of a centre": DataScope(f"C{BIG:02}"),
}
READS = (
    Scope.READ_OFFERINGS,
    Scope.READ_ENROLMENTS,
    Scope.READ_RESULTS,
    Scope.READ_OPERATIONS,
    Scope.WEBHOOKS,
)
_BIG, _SILENT, _CALM = f"C{BIG:02}", f"C{SILENT}", f"C{CALM}"


@dataclass(frozen=True, slots=True)
class Places:
    """The last run, which has most items; one of them in the middle; a learner of the full course;
    an outline that waits."""

    run: int
    item: int
    learner: int
    academy_id: str
    outline: str


def places(tx: Connection, run: int) -> Places:
    person = tx.execute(
        select(learner.c.id, learner.c.academy_id)
        .join(enrolment, enrolment.c.learner_id == learner.c.id)
        .join(offering, offering.c.id == enrolment.c.offering_id)
        .where(offering.c.code == FULL)
        .order_by(learner.c.id.desc())
    ).first()
    if person is None:
        raise RuntimeError(f"{FULL} has no people")
    of_run = select(item.c.id).where(item.c.run_id == run).order_by(item.c.id)
    middle = tx.scalar(of_run.offset(25_000).limit(1)) or 0
    waits = select(offering.c.code).where(offering.c.status == "submitted")
    outline = tx.scalar(waits.order_by(offering.c.id).limit(1)) or ""
    return Places(run, middle, *person, outline)


def browsers(app: Flask, database: Database, of: Places) -> Mapping[str, FlaskClient]:
    """{who: a browser in which they have signed in}"""
    made = {
        OPERATOR: sign_in(app.test_client(), database),
        LEARNER: app.test_client(),
        ANYBODY: app.test_client(),
    }
    with database.writing() as tx:
        _enter(tx, made[LEARNER], None, of.learner)
        for role, centre, region in (
            (Role.COORDINATOR, _BIG, ""),
            (Role.FOCAL_POINT, "", "africa"),
            (Role.REVIEWER, "", ""),
        ):
            made[role] = app.test_client()
            new = {
                "email": f"{role}-{secrets.token_hex(8)}@example.org",
                "name": "Sample",
                "created_at": utc_now(),
            }
            number = tx.scalar(insert(account).values(new).returning(account.c.id))
            grant = {"account_id": number, "role": role, "centre": centre, "region": region}
            tx.execute(insert(account_role).values(grant))
            _enter(tx, made[role], number, None)
        for who, reach in TOKENS.items():
            scopes = sorted(TOKEN_SCOPES if not reach.centre else READS)
            _, text = add(tx, purpose="Sample", reach=reach, scopes=scopes, at=utc_now(), by="x")
            made[who] = app.test_client()
            made[who].environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    return made


def _enter(tx: Connection, client: FlaskClient, number: int | None, person: int | None) -> None:
    limits, now = SignInSettings(), utc_now()
    _, secret = sessions.open_session(tx, "sample", number, limits, now, half=False, learner=person)
    client.set_cookie(COOKIE, secret)


def pages(of: Places) -> Iterator[tuple[str, str]]:
    """(who, path), page by page."""
    yield from ((OPERATOR, path) for path in (*_runs(of), *_waiting(), *_network(of)))
    yield from ((Role.FOCAL_POINT, path) for path in _region())
    yield from ((Role.REVIEWER, path) for path in _reviews(of))
    yield from ((Role.COORDINATOR, path) for path in _desk())
    yield from ((LEARNER, path) for path in ("/my", "/my/calendar"))
    public = ("/", "/health", "/training-centres", f"/training-centres/{_BIG}", "/catalogue/O-1")
    yield from ((ANYBODY, path) for path in public)
    yield from ((who, f"/api/v1{path}") for who in TOKENS for path in _interface(of))
    token, _, of_centre = TOKENS
    yield from ((who, f"/api/v1{path}") for who in (token, of_centre) for path in _of_one())
    yield from ((token, f"/api/v1{path}") for path in _of_all(of))


def _interface(of: Places) -> Iterator[str]:
    """Every list, with each filter that leaves little, and far behind its beginning."""
    yield from ("/centres", "/centres?region=africa", "/centres?cycle=Sample+year", "/courses")
    yield from ("/memberships", "/cycles", "/runs", f"/runs?centre={_BIG}")
    yield from (f"/runs?cursor={cursor(of.run // 2)}", "/holds", "/holds?status=all")
    yield from (
        f"/holds?centre={_BIG}&status=rejected",
        "/quarantine",
        f"/quarantine?centre={_BIG}",
    )
    yield from ("/unmatched", f"/unmatched?centre={_BIG}&cursor={cursor(200)}")
    mine = "/offerings?view=mine"
    yield from ("/offerings", mine, f"{mine}&status=submitted", f"{mine}&text=course+599")
    yield from (f"{mine}&centre={_BIG}&limit=100", f"{mine}&cursor={cursor(5_000)}")
    yield from (
        f"{mine}&starts_from=2020-01-01&modality=online_self_paced",
        f"{mine}&level=introductory",
    )
    for people in ("/registrations", "/results"):
        for query in (
            *("", f"offering={FULL}", f"learner={of.academy_id}", f"centre={_BIG}&limit=100"),
            *(f"cursor={cursor(40_000)}", f"learner={of.academy_id}&offering={FULL}"),
            *("modified_since=2020-01-01", "modified_since=2099-01-01"),
            *("offering=nothing", "learner=nobody", "centre=nowhere"),
        ):
            yield f"{people}?{query}"
    yield from ("/registrations?status=applied", "/registrations?status=certified")


def _of_one() -> Iterator[str]:
    yield from (f"/offerings/{FULL}/{each}" for each in ("history", "reports", "review"))
    yield from (f"/centres/{_BIG}/schedule", f"/centres/{_BIG}/state")


def _of_all(of: Places) -> Iterator[str]:
    """What tokens of single centres or regions have little of."""
    items = f"/runs/{of.run}/items"
    yield from (items, f"{items}?cursor={cursor(of.item)}", f"{items}?state=failed&limit=100")
    yield from (f"{items}?offering={FULL}", f"{items}?learner={of.academy_id}", "/roll-overs")
    yield from (
        "/webhooks",
        "/webhooks/3/deliveries",
        f"/webhooks/3/deliveries?cursor={cursor(50_000)}",
    )


def _runs(of: Places) -> Iterator[str]:
    yield from ("/operations", "/centres", "/centres/C01", f"/centres/{_BIG}", "/runs")
    yield from (f"/centres/{_SILENT}", f"/centres/{_BIG}/check")
    for query in (
        *("status=failed", "status=held", "status=running", "status=cut+off", "centre=C01"),
        *(f"centre={_SILENT}", f"centre={_CALM}&status=failed", "flow=results", "flow=tokens"),
        *("flow=webhooks", "flow=webhooks&centre=C01", "flow=tokens&status=failed"),
        *(f"flow=enrolments&centre={_SILENT}&status=failed", f"before={of.run // 2}"),
        *("course=O-1", f"learner={of.academy_id}", f"learner={of.academy_id}&course={FULL}"),
        f"learner={of.academy_id}&status=failed",
    ):
        yield f"/runs?{query}"


def items(of: Places) -> Iterator[str]:
    """Pages of the run with most items."""
    yield f"/runs/{of.run}"
    for query in (
        *(f"after={of.item}", f"before={of.item}", "kind=offering", "state=failed"),
        *(f"course={FULL}", f"learner={of.academy_id}", f"after={of.item}&kind=enrolment"),
    ):
        yield f"/runs/{of.run}?{query}"


def _waiting() -> Iterator[str]:
    yield from ("/holds", "/holds?decided=1", "/holds?decided=1&before=100", "/holds/2990")
    yield from ("/quarantine", "/quarantine?before=60", f"/quarantine?centre={_BIG}")
    yield from ("/people", "/people?after=250", "/people?agreeing=1", "/people.csv", "/people/file")
    yield from ("/conflicts", "/conflicts?before=600000", "/conflicts?centre=C01")


def _network(of: Places) -> Iterator[str]:
    yield from ("/figures", "/figures?days=365", f"/figures?days=365&centre={_BIG}")
    yield from ("/figures/year", "/figures/year?region=africa", "/figures/year.csv")
    yield from ("/audit", "/audit?subject=token", "/audit?who=nobody", "/audit?object=nothing")
    yield from ("/audit?since=2020-01-01&until=2020-02-01", "/operations/where")
    yield from (f"/operations/where/{of.learner}", f"/operations/where/{of.learner}/{FULL}")
    yield from ("/tokens", "/webhooks", "/webhooks?webhook=3", "/webhooks?before=500")
    yield from ("/connections", "/connections?page=2", "/connections/2", "/connections/refused")
    yield from (f"/connections/offering?code={FULL}", "/accounts", "/accounts?after=1000")


def _region() -> Iterator[str]:
    yield from ("/operations", "/centres", "/runs", "/runs?status=failed", "/runs?status=cut+off")
    yield from ("/runs?flow=webhooks", "/runs?flow=results", "/runs?course=O-1", "/holds")
    yield from ("/holds?decided=1", "/quarantine", "/people", "/conflicts", "/figures?days=365")
    yield from ("/figures/year", "/reviews", "/reviews/regions", "/reviews/regions.csv")


def _reviews(of: Places) -> Iterator[str]:
    yield from ("/reviews", "/reviews?page=8", "/reviews?kind=report", "/reviews?region=africa")
    yield from ("/reviews?area=none", f"/reviews/of/{of.outline}", f"/reviews/of/{FULL}")


def _desk() -> Iterator[str]:
    desk = f"/my-centre/{_BIG}"
    yield from (desk, f"{desk}/schedule", f"{desk}/schedule?when=all&page=60")
    yield from (f"{desk}/schedule?when=past", f"{desk}/schedule?text=course+5&when=all")
    yield from (f"{desk}/{each}" for each in ("calendar", "lms", "quarantine", "upload"))
    course = f"{desk}/offerings/{FULL}"
    yield from (f"{desk}/offerings/new", course)
    yield from (f"{course}/{each}" for each in ("edit", "outline", "report", "act?action=cancel"))
    people = f"{desk}/people/{FULL}"
    yield from (people, f"{people}?group=applicants", f"{people}?text=learner+4999")
    yield from (f"{people}?after=4000", f"{desk}/questions/{FULL}")
    yield from (f"{desk}/results/{FULL}", f"{desk}/results/{FULL}?after=4000")
    yield from ("/operations", f"/centres/{_BIG}", "/runs", "/runs?status=cut+off")
    yield from ("/runs?flow=webhooks", "/figures?days=365", "/conflicts", "/quarantine")
    yield from ("/people", "/holds")


def commands(of: Places) -> Iterator[str]:
    yield from ("status", "centre list", "centre list --json", "centre show C01")
    yield from ("run list", "run list --most 200", "run list --centre C01")
    yield from (f"run list --centre {_SILENT}", f"run show {of.run} --most 200")
    yield from (f"run show {of.run}", f"run show {of.run} --course {FULL}")
    yield f"run show {of.run} --after {of.item} --most 200"
    yield from ("hold list", "hold list --all", f"hold list --centre {_BIG}", "hold show 2990")
    yield from ("person unmatched", "person unmatched --csv /dev/null")
    yield f"person where {of.academy_id} {FULL}"
    yield from ("resend --centre C01 --list", f"resend --centre {_BIG} --list")
    yield from ("token list", "webhook list", "webhook show 3", "lti list", "lti show 2")
    yield from ("lti refused", "lti refused 2", "operator sessions", "account list")
    yield from ("account show 5", "cycle list", "membership list", "roll-over list")
    yield from (f"offering show {FULL}", f"offering teachers {FULL}", "centre profile C01")
    yield f"report year {utc_now().year}"
