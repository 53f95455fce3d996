"""The three flows of one centre: what is read, in which order, and what is sent where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from lms_bridge import schemas
from lms_bridge.domain.document import digest, plain
from lms_bridge.domain.errors import BridgeError, RetryLater, StopRun
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.ports import (
    FindsOfferings,
    FollowsRegistrations,
    KnowsOfferingsByCode,
    Reading,
    ReadsOfferings,
    ReadsRegistrations,
    ReadsResults,
    ShowsEnrolments,
    ShowsOfferings,
    WritesEnrolments,
    WritesOfferings,
    WritesResults,
)
from lms_bridge.store import answers, holds, places, source_links
from lms_bridge.sync.observe import ask_about_conflicts, observe_offerings, observe_rosters
from lms_bridge.sync.offerings import take_in_offerings
from lms_bridge.sync.people import LearnerTarget
from lms_bridge.sync.push import plan_push, push
from lms_bridge.sync.read import Feed, Snapshot, read
from lms_bridge.sync.registrations import take_in_registrations
from lms_bridge.sync.results import take_in_results
from lms_bridge.sync.take import overtaken
from lms_bridge.sync.target import Target
from lms_bridge.sync.targets import EnrolmentTarget, OfferingTarget, ResultTarget
from lms_bridge.sync.wants import want_in_gradebooks
from lms_bridge.sync.work import Work

TakeIn = Callable[[Connection, Work, Snapshot], None]
Act = Callable[[Connection, Work], None]


@dataclass(frozen=True, slots=True)
class Peers:
    """The two outside systems of a run, opened: objects with some of the ports. Besides, the
    gradebooks that results go to, by names for people; and what takes in scores that were sent to
    the bridge and have not become results yet."""

    centre: object
    academy: object
    gradebooks: Mapping[str, Target] = field(default_factory=dict)
    take_in_scores: Act | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a flow: a feed that is read and taken in, a target that is pushed to, or
    something else that is done in one transaction."""

    name: str
    feed: Feed | None = None
    reading: Callable[[], Reading] | None = None
    take_in: TakeIn | None = None
    target: Target | None = None
    act: Act | None = None


def run_step(work: Work, step: Step) -> None:
    """Carries one stage out.

    Raises:
        StopRun, RetryLater: the other side is at fault; what was done before stays done.
        LeaseLost: this run is over.
    """
    work.progress(work.centre.code, step.name, 0, 0)
    if step.target is not None:
        push(work, step.target)
        return
    if step.act is not None:
        with work.writing() as tx:
            step.act(tx, work)
        return
    snapshot = read_step(work, step)
    if snapshot is None or step.take_in is None:
        return
    if not _has_news(snapshot):
        _close_overtaken(work, snapshot)
        return
    with work.writing() as tx:
        step.take_in(tx, work, snapshot)
        ask_about_conflicts(tx, work)


def _close_overtaken(work: Work, snapshot: Snapshot) -> None:
    """A source that shows exactly what was taken in last has taken all removals back."""
    with work.database.reading() as tx:
        closed = overtaken(tx, work, snapshot)
    if closed:
        with work.writing() as tx:
            holds.close(tx, closed)


def read_step(work: Work, step: Step) -> Snapshot | None:
    """Reads the step's feed, without changing anything."""
    if step.feed is None or step.reading is None:
        return None
    snapshot = read(step.feed, step.reading(), work.database)
    work.counts["answers.read"] += snapshot.answers
    work.counts["answers.changed"] += snapshot.parsed
    for unread in snapshot.unread:
        work.counts["answers.unread"] += 1
        work.errors.append((step.name, unread.error))
        if isinstance(unread.error, BridgeError):
            work.note(
                step.feed.kind,
                step.feed.system,
                "read",
                "failed",
                external_id=unread.scope,
                error=unread.error,
            )
    return snapshot


def _has_news(snapshot: Snapshot) -> bool:
    return bool(snapshot.parsed or snapshot.ended_scopes or snapshot.unread)


def try_steps(work: Work, steps: list[Step]) -> None:
    """A dry run: everything is read first, then applied in a transaction that is undone."""
    snapshots: list[tuple[Step, Snapshot]] = []
    for step in steps:
        try:
            snapshot = read_step(work, step)
        except (StopRun, RetryLater) as error:
            work.errors.append((step.name, error))
            continue
        if snapshot is not None and _has_news(snapshot):
            snapshots.append((step, snapshot))
    with work.database.trying() as tx:
        for step, snapshot in snapshots:
            if step.take_in is not None:
                step.take_in(tx, work, snapshot)
        for step in steps:
            if step.act is not None:
                step.act(tx, work)
        ask_about_conflicts(tx, work)
        for step in steps:
            if step.target is not None:
                plan_push(tx, work, step.target)
        work.keep_audit(tx)


def _feed(
    work: Work,
    system: str,
    kind: Kind,
    part: str,
    *,
    exhaustive: bool,
    tracked: bool = True,
    scope_prefix: str = "",
) -> Feed:
    """A feed whose answers are read anew when our own understanding of them changed."""
    centre = work.centre
    understanding = [
        schemas.VERSION,
        plain(centre.options),
        centre.time_zone,
        centre.languages,
        centre.connector,
    ]
    salt = digest(plain(understanding))
    return Feed(system, kind, part, salt, exhaustive, tracked, scope_prefix)


def offering_steps(work: Work, peers: Peers) -> list[Step]:
    """The centre's catalogue in; what the Academy shows of it, looked at; the changes out."""
    steps = []
    code = work.centre.code
    if isinstance(peers.centre, ReadsOfferings):
        steps.append(
            Step(
                "offerings read",
                _feed(work, work.centre.system, Kind.OFFERING, "source", exhaustive=True),
                peers.centre.read_offerings,
                take_in_offerings,
            )
        )
    if isinstance(peers.academy, ShowsOfferings) and work.full:
        shows = peers.academy

        def shown() -> Reading:
            with work.database.reading() as tx:
                ids = places.published(tx, code)
            return shows.show_offerings(ids) if ids else iter(())

        feed = _feed(work, ACADEMY, Kind.OFFERING, f"shown:{code}", exhaustive=False, tracked=False)
        steps.append(Step("catalogue compared", feed, shown, observe_offerings))
    if isinstance(peers.academy, WritesOfferings):
        steps.append(Step("offerings sent", target=OfferingTarget(peers.academy, code)))
    return steps


def enrolment_steps(work: Work, peers: Peers) -> list[Step]:
    """Registrations in; rosters looked at; accounts, then enrolments, out."""
    steps = []
    if isinstance(peers.academy, ReadsRegistrations):
        steps.append(_registrations(work, peers.academy))
    if isinstance(peers.centre, ShowsEnrolments) and work.full:
        feed = _feed(
            work,
            work.centre.system,
            Kind.ENROLMENT,
            "shown",
            exhaustive=False,
            tracked=False,
        )
        shows = peers.centre
        steps.append(
            Step(
                "rosters compared",
                feed,
                lambda: _of_courses(work, shows.show_enrolments),
                observe_rosters,
            )
        )
    if isinstance(peers.centre, WritesEnrolments):
        steps.append(Step("people sent", target=LearnerTarget(peers.centre, work)))
        target = EnrolmentTarget(peers.centre, work.centre.system, work.policy)
        steps.append(Step("enrolments sent", target=target))
    return steps


def result_steps(work: Work, peers: Peers) -> list[Step]:
    """Grades and completions in, and out to the Academy and to gradebooks."""
    steps = []
    if peers.take_in_scores is not None:
        steps.append(Step("scores taken in", act=peers.take_in_scores))
    if isinstance(peers.centre, ReadsResults):
        feed = _feed(work, work.centre.system, Kind.RESULT, "source", exhaustive=False)
        reads = peers.centre
        steps.append(
            Step(
                "results read",
                feed,
                lambda: _of_courses(work, reads.read_results),
                take_in_results,
            )
        )
    if isinstance(peers.academy, WritesResults):
        steps.append(Step("results sent", target=ResultTarget(peers.academy)))
    if peers.gradebooks:
        steps.append(Step("gradebooks compared", act=want_in_gradebooks))
    for name, gradebook in peers.gradebooks.items():
        steps.append(Step(f"results sent to {name}", target=gradebook))
    return steps


def _registrations(work: Work, academy: ReadsRegistrations) -> Step:
    code = work.centre.code
    feed = _feed(
        work, ACADEMY, Kind.ENROLMENT, f"source:{code}", exhaustive=True, scope_prefix=f"{code}:"
    )

    def reading() -> Reading:
        with work.database.reading() as tx:
            there = places.at_academy(tx, code)
            cursor = answers.cursor(tx, ACADEMY, Kind.ENROLMENT, feed.part)
        if cursor and not work.full and isinstance(academy, FollowsRegistrations):
            return academy.registrations_since(code, there, cursor)
        return academy.read_registrations(code, there)

    return Step("registrations read", feed, reading, take_in_registrations)


def _of_courses(work: Work, show: Callable[[list[str]], Reading]) -> Reading:
    """A reading of the courses in which the bridge has enrolments, less those long over."""
    since = work.now() - timedelta(days=work.policy.results_days)
    with work.database.reading() as tx:
        courses = places.with_enrolments(tx, work.centre.code, since)
    return show(courses) if courses else iter(())


def find_courses(work: Work, centre: object) -> None:
    """Looks up the courses of editions that came by another way than the centre's LMS."""
    code = work.centre.code
    found: dict[int, str | None] = {}
    if isinstance(centre, FindsOfferings):
        with work.database.reading() as tx:
            homeless = places.without_course(tx, code)
        found = {id_: centre.find_offering(lms_course, name) for id_, name, lms_course in homeless}
    if isinstance(centre, KnowsOfferingsByCode):
        with work.database.reading() as tx:
            homeless = places.without_course(tx, code, nameless=True)
        found |= {id_: centre.external_id_of(name) for id_, name, _ in homeless}
    rows = [
        {
            "system": work.centre.system,
            "kind": Kind.OFFERING,
            "centre": work.centre.code,
            "record_id": record_id,
            "external_id": external_id,
            "scope": "",
            "source_hash": b"",
        }
        for record_id, external_id in found.items()
        if external_id
    ]
    if rows:
        with work.writing() as tx:
            source_links.showed(tx, rows)
