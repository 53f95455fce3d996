"""The three flows of one centre: which steps read, compare and send, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from lms_bridge import schemas
from lms_bridge.domain.document import digest, plain
from lms_bridge.domain.errors import BridgeError, RecordRefused, RetryLater, StopRun
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.domain.ports import (
    FindsOfferings,
    FollowsRegistrations,
    KnowsOfferingsByCode,
    PageError,
    Pages,
    ReadsOfferings,
    ReadsRegistrations,
    ReadsResults,
    ResumesOfferings,
    ShowsAccounts,
    ShowsEnrolments,
    ShowsOfferings,
    UsesAcademyIds,
    WritesEnrolments,
    WritesOfferings,
    WritesResults,
)
from lms_bridge.store import enrolments, holds, offering_links, source_digests, source_links
from lms_bridge.store.record_names import course_name
from lms_bridge.store.waits import Wait
from lms_bridge.sync.accounts import (
    compare_accounts,
    decide_about_unneeded,
    keep_changed_accounts,
    unneeded_accounts,
)
from lms_bridge.sync.approvals import approved_removals, remove_approved
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.course_ends import decide_about_gone, end_courses
from lms_bridge.sync.desired_state import desire_in_gradebooks
from lms_bridge.sync.drift import (
    find_offering_drift,
    find_roster_drift,
    find_roster_drift_in_parts,
)
from lms_bridge.sync.enrolments import apply_registrations
from lms_bridge.sync.holds import closed_by_source, hold_conflicts
from lms_bridge.sync.learners import LearnerTarget
from lms_bridge.sync.offerings import apply_offerings_snapshot
from lms_bridge.sync.parts import (
    apply_offerings_in_parts,
    apply_registrations_in_parts,
    apply_results_in_parts,
)
from lms_bridge.sync.pull import Snapshot, SourceFeed, pull
from lms_bridge.sync.push import plan_push, push
from lms_bridge.sync.results import apply_results
from lms_bridge.sync.resumption import catalogue_reading
from lms_bridge.sync.targets import EnrolmentTarget, OfferingTarget, ResultTarget, Target
from lms_bridge.sync.teachers import give_teachers
from lms_bridge.sync.visits import UnvisitedCourses

Apply = Callable[[Connection, RunContext, Snapshot], None]
Act = Callable[[Connection, RunContext], None]


@dataclass(frozen=True, slots=True)
class Peers:
    """The two outside systems of a run, opened: objects with some of the ports.

    ``gradebooks`` {name for people: where results go, too}; ``apply_scores`` makes results of
    scores that tools sent.
    """

    centre: object
    academy: object
    gradebooks: Mapping[str, Target] = field(default_factory=dict)
    apply_scores: Act | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a flow: it reads and applies a feed, pushes to a target, or acts in one
    transaction. ``compare`` reads, and returns the act that keeps what it found, if
    anything. ``apply_in_parts`` applies snapshots of many changed records. ``applied`` is called
    when a feed was read and applied."""

    name: str
    feed: SourceFeed | None = None
    read: Callable[[], Pages] | None = None
    apply: Apply | None = None
    target: Target | None = None
    act: Act | None = None
    compare: Callable[[RunContext], Act | None] | None = None
    apply_in_parts: Callable[[RunContext, Snapshot], None] | None = None
    applied: Callable[[], None] | None = None


def run_step(context: RunContext, step: Step) -> None:
    """Carries out one step.

    Raises:
        StopRun, RetryLater: the other side failed. What was done before stays done.
        LeaseLost: this run is over.
    """
    context.progress(context.centre.code, step.name, 0, 0)
    if step.target is not None:
        push(context, step.target)
        if isinstance(step.target, EnrolmentTarget) and step.target.moved:
            push(context, step.target)
        return
    act = step.compare(context) if step.compare is not None else step.act
    if act is None and step.compare is not None:
        return
    if act is not None:
        with context.writing() as tx:
            act(tx, context)
            hold_conflicts(tx, context)
        return
    snapshot = read_step(context, step)
    if snapshot is None or step.apply is None:
        return
    _apply(context, step, step.apply, snapshot)
    if step.applied is not None:
        step.applied()


def _apply(context: RunContext, step: Step, apply: Apply, snapshot: Snapshot) -> None:
    if snapshot.is_large and step.apply_in_parts is not None:
        with snapshot:
            step.apply_in_parts(context, snapshot)
        return
    if snapshot.has_changes:
        with context.writing() as tx:
            apply(tx, context, snapshot)
            hold_conflicts(tx, context)
        return
    # A source that shows exactly what was applied last took all its removals back.
    with context.database.reading() as tx:
        closed = closed_by_source(tx, context, snapshot)
    if closed:
        with context.writing() as tx:
            holds.close(tx, closed)


def read_step(context: RunContext, step: Step) -> Snapshot | None:
    """Reads the step's feed, without changing anything."""
    if step.feed is None or step.read is None:
        return None
    spills = step.apply_in_parts is not None and step.feed.tracked and not context.dry
    try:
        snapshot = pull(step.feed, step.read(), context.database, spills=spills)
    except (RetryLater, StopRun) as failure:
        context.heard(step.feed.system, failure)
        raise
    if snapshot.pages:
        context.heard(step.feed.system, None)
    for each in snapshot.unread:
        context.heard(step.feed.system, each.error)
    gone = {each.scope for each in snapshot.unread if each.gone}
    ended = _end_courses(context, step.feed.system, gone)
    snapshot.unread = [each for each in snapshot.unread if each.scope not in ended]
    context.counts["pages.read"] += snapshot.pages
    context.counts["pages.changed"] += snapshot.parsed
    context.waits += _waits_of(snapshot, known={each.why for each in context.waits})
    for unread in snapshot.unread:
        if unread.helps:
            continue
        error = _named(context, step.feed, unread)
        context.counts["pages.unread"] += 1
        context.errors.append((step.name, error))
        context.note(
            step.feed.kind,
            step.feed.system,
            "read",
            "failed",
            external_id=unread.scope,
            error=error,
        )
    return snapshot


def _waits_of(snapshot: Snapshot, known: Collection[str]) -> list[Wait]:
    """What was not read because a person has to do something first: once for each reason."""
    reasons = Counter((each.error.message, each.helps) for each in snapshot.unread if each.helps)
    if snapshot.missed:
        command = "lms-bridge settings show"
        return [Wait("missed", Kind.OFFERING, snapshot.missed, None, _MISSED, command)]
    return [
        Wait("unread", Kind.OFFERING, number, None, why, helps)
        for (why, helps), number in reasons.items()
        if why not in known
    ]


_MISSED = (
    "The catalogue took more than one run to read and does not show them where they were. Nothing "
    "is removed for that. Raise sync.run_minutes."
)


def _named(context: RunContext, feed: SourceFeed, unread: PageError) -> BridgeError:
    """Why a page is unread, with the course that it is about."""
    scope = unread.scope.removeprefix(feed.scope_prefix)
    with context.database.reading() as tx:
        name = course_name(tx, feed.system, scope) if scope else ""
    return unread.error.about(name) if name else unread.error


def _end_courses(context: RunContext, system: str, courses: Collection[str]) -> frozenset[str]:
    """Decides about courses that are gone. Returns those of which there is no more to say."""
    if not courses or context.dry:
        return frozenset()
    end = end_courses if system == context.centre.system else decide_about_gone
    with context.writing() as tx:
        ended = end(tx, context, courses)
        hold_conflicts(tx, context)
    return ended


def dry_run_steps(context: RunContext, steps: list[Step]) -> None:
    """A dry run: reads everything first, then applies it in a transaction that is undone."""
    snapshots: list[tuple[Step, Snapshot]] = []
    acts = [step.act for step in steps if step.act is not None]
    for step in steps:
        try:
            if step.compare is not None and (act := step.compare(context)) is not None:
                acts.append(act)
            snapshot = read_step(context, step)
        except (StopRun, RetryLater) as error:
            context.errors.append((step.name, error))
            continue
        if snapshot is not None and snapshot.has_changes:
            snapshots.append((step, snapshot))
    with context.database.apart() as database, database.trying() as tx:
        for step, snapshot in snapshots:
            if step.apply is not None:
                step.apply(tx, context, snapshot)
        for act in acts:
            act(tx, context)
        hold_conflicts(tx, context)
        for step in steps:
            if step.target is not None:
                plan_push(tx, context, step.target)
        context.keep_audit(tx)


def _feed(
    context: RunContext,
    system: str,
    kind: Kind,
    name: str,
    *,
    exhaustive: bool,
    tracked: bool = True,
    scope_prefix: str = "",
) -> SourceFeed:
    """A feed of which every page is read again when the bridge would read it differently."""
    centre = context.centre
    salt = digest(
        plain(
            [
                schemas.VERSION,
                plain(centre.options),
                centre.time_zone,
                centre.languages,
                centre.connector,
            ]
        )
    )
    return SourceFeed(system, kind, name, salt, exhaustive, tracked, scope_prefix)


def approval_steps(context: RunContext, flows: Collection[Flow]) -> list[Step]:
    """Removes what a person approved, where no reading would find it again."""
    kinds = {Kind.OFFERING: Flow.OFFERINGS, Kind.ENROLMENT: Flow.ENROLMENTS}
    with context.database.reading() as tx:
        approved = holds.approved_kinds(tx, context.centre.code, FILES)
    return [_approvals(kind) for kind, flow in kinds.items() if kind in approved and flow in flows]


def _approvals(kind: Kind) -> Step:
    def compare(context: RunContext) -> Act | None:
        gone = approved_removals(context, kind)
        return (lambda tx, context: remove_approved(tx, context, kind, gone)) if gone else None

    return Step(f"approved removals of {kind}s", compare=compare)


def offering_steps(context: RunContext, peers: Peers) -> list[Step]:
    """Reads the centre's catalogue, compares the Academy's with it, and sends the changes."""
    steps = []
    code = context.centre.code
    if isinstance(peers.centre, ReadsOfferings):
        feed = _feed(context, context.centre.system, Kind.OFFERING, "source", exhaustive=True)
        read: Callable[[], Pages] = peers.centre.read_offerings
        keep: Callable[[], None] | None = None
        if isinstance(peers.centre, ResumesOfferings):
            reading = catalogue_reading(context, peers.centre, feed)
            feed, read, keep = reading.feed, reading.pages, reading.keep
        steps.append(
            Step(
                "offerings read",
                feed,
                read,
                apply_offerings_snapshot,
                apply_in_parts=apply_offerings_in_parts,
                applied=keep,
            )
        )
    if isinstance(peers.academy, ShowsOfferings) and context.full:
        shows = peers.academy

        def shown() -> Pages:
            with context.database.reading() as tx:
                ids = offering_links.published(tx, code)
            return shows.show_offerings(ids) if ids else iter(())

        feed = _feed(
            context, ACADEMY, Kind.OFFERING, f"shown:{code}", exhaustive=False, tracked=False
        )
        steps.append(Step("catalogue compared", feed, shown, find_offering_drift))
    if isinstance(peers.academy, WritesOfferings):
        steps.append(Step("offerings sent", target=OfferingTarget(peers.academy, context)))
    return steps


def enrolment_steps(context: RunContext, peers: Peers) -> list[Step]:
    """Reads registrations, compares rosters, and sends accounts, then enrolments."""
    steps = []
    if isinstance(peers.academy, ReadsRegistrations):
        steps.append(_registrations(context, peers.academy))
    if isinstance(peers.centre, ShowsEnrolments) and context.full:
        feed = _feed(
            context,
            context.centre.system,
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
                lambda: _of_courses(context, shows.show_enrolments),
                find_roster_drift,
                apply_in_parts=find_roster_drift_in_parts,
            )
        )
    if isinstance(peers.centre, ShowsAccounts) and context.full:
        steps.append(Step("accounts compared", compare=partial(_accounts, peers.centre)))
    if isinstance(peers.centre, WritesEnrolments):
        steps.append(Step("people sent", target=LearnerTarget(peers.centre, context)))
        target = EnrolmentTarget(peers.centre, context)
        steps.append(Step("enrolments sent", target=target))
    steps.append(Step("teachers", compare=lambda context: give_teachers(context, peers.centre)))
    return steps


def _result_feed(context: RunContext, *, academy_ids: bool) -> SourceFeed:
    feed = _feed(context, context.centre.system, Kind.RESULT, "source", exhaustive=False)
    if not academy_ids:
        return feed
    # Nothing is sent to such a centre, so nothing but a new enrolment shows that a result which
    # was ignored so far has its learner now.
    with context.database.reading() as tx:
        number = enrolments.count_of(tx, context.centre.code)
    return replace(feed, salt=digest([feed.salt.hex(), number]), academy_ids=True)


def result_steps(context: RunContext, peers: Peers) -> list[Step]:
    """Reads grades and completions, and sends them to the Academy and to gradebooks."""
    steps = []
    if peers.apply_scores is not None:
        steps.append(Step("scores applied", act=peers.apply_scores))
    if isinstance(peers.centre, ReadsResults):
        reads = peers.centre
        by_academy_id = isinstance(reads, UsesAcademyIds)
        feed = _result_feed(context, academy_ids=by_academy_id)
        unvisited = UnvisitedCourses(context, feed)

        def read(courses: list[str]) -> Pages:
            return unvisited.noting(reads.read_results(unvisited.left_out(reads, courses)))

        steps.append(
            Step(
                "results read",
                feed,
                lambda: _of_courses(context, read, acknowledged=not by_academy_id),
                apply_results,
                apply_in_parts=apply_results_in_parts,
                applied=unvisited.keep,
            )
        )
    if isinstance(peers.academy, WritesResults):
        steps.append(Step("results sent", target=ResultTarget(peers.academy)))
    if peers.gradebooks:
        steps.append(Step("gradebooks compared", act=desire_in_gradebooks))
    for name, gradebook in peers.gradebooks.items():
        steps.append(Step(f"results sent to {name}", target=gradebook))
    return steps


def _accounts(peer: ShowsAccounts, context: RunContext) -> Act | None:
    changed = compare_accounts(context, peer)
    unneeded = unneeded_accounts(context, changed)
    if not (changed or unneeded):
        return None

    def act(tx: Connection, context: RunContext) -> None:
        keep_changed_accounts(tx, context, changed)
        decide_about_unneeded(tx, context, unneeded)

    return act


def _registrations(context: RunContext, academy: ReadsRegistrations) -> Step:
    code = context.centre.code
    feed = _feed(
        context, ACADEMY, Kind.ENROLMENT, f"source:{code}", exhaustive=True, scope_prefix=f"{code}:"
    )

    def read() -> Pages:
        with context.database.reading() as tx:
            there = offering_links.at_academy(tx, code)
            cursor = source_digests.cursor(tx, ACADEMY, Kind.ENROLMENT, feed.name)
        if cursor and not context.full and isinstance(academy, FollowsRegistrations):
            return academy.registrations_since(code, there, cursor)
        return academy.read_registrations(code, there)

    return Step(
        "registrations read",
        feed,
        read,
        apply_registrations,
        apply_in_parts=apply_registrations_in_parts,
    )


def _of_courses(
    context: RunContext, show: Callable[[list[str]], Pages], *, acknowledged: bool = True
) -> Pages:
    """Reads the courses in which the bridge has enrolments, without those that ended long ago."""
    since = context.now() - timedelta(days=context.policy.results_days)
    with context.database.reading() as tx:
        courses = offering_links.with_enrolments(
            tx, context.centre.code, since, acknowledged=acknowledged
        )
    return show(courses) if courses else iter(())


def find_courses(context: RunContext, centre: object) -> None:
    """Finds the courses of offerings from other sources than the centre's LMS."""
    code = context.centre.code
    found: dict[int, str | None] = {}
    unknown: list[BridgeError] = []
    if isinstance(centre, FindsOfferings):
        with context.database.reading() as tx:
            without_course = offering_links.without_course(tx, code)
        found = {
            id_: centre.find_offering(lms_course, name) for id_, name, lms_course in without_course
        }
        unknown = [_no_course(*names) for id_, *names in without_course if not found[id_]]
    if isinstance(centre, KnowsOfferingsByCode):
        with context.database.reading() as tx:
            without_course = offering_links.without_course(tx, code, nameless=True)
        found |= {id_: centre.external_id_of(name) for id_, name, _ in without_course}
    rows = [
        {
            "system": context.centre.system,
            "kind": Kind.OFFERING,
            "centre": context.centre.code,
            "record_id": record_id,
            "external_id": external_id,
            "scope": "",
            "source_hash": b"",
        }
        for record_id, external_id in found.items()
        if external_id
    ]
    context.errors += [("courses found", error) for error in unknown]
    if rows:
        with context.writing() as tx:
            source_links.showed(tx, rows)


def _no_course(offering: str, lms_course: str) -> RecordRefused:
    return RecordRefused(
        "no-such-course",
        f'Offering {offering} names the course "{lms_course}", which the centre\'s LMS does not '
        "have. Its registrations wait.",
        "Correct lms_course in the centre's schedule, or give the course that ID number.",
        field="lms_course",
    )
