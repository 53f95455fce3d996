"""The three flows of one centre: which steps read, compare and send, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from lms_bridge import schemas
from lms_bridge.domain import ports
from lms_bridge.domain.document import digest, plain
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.store import enrolments, holds, offering_links, source_digests, source_links
from lms_bridge.sync.accounts import (
    compare_accounts,
    decide_about_unneeded,
    keep_changed_accounts,
    unneeded_accounts,
)
from lms_bridge.sync.approvals import approved_removals, remove_approved
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.desired_state import desire_in_gradebooks
from lms_bridge.sync.drift import (
    find_causes,
    find_offering_drift,
    find_roster_drift,
    find_roster_drift_in_parts,
)
from lms_bridge.sync.enrolments import apply_registrations
from lms_bridge.sync.learners import LearnerTarget
from lms_bridge.sync.memberships import membership_step
from lms_bridge.sync.offerings import apply_offerings_snapshot
from lms_bridge.sync.parts import (
    apply_offerings_in_parts,
    apply_registrations_in_parts,
    apply_results_in_parts,
)
from lms_bridge.sync.pull import SourceFeed
from lms_bridge.sync.results import apply_results
from lms_bridge.sync.resumption import catalogue_reading
from lms_bridge.sync.steps import Act, Step
from lms_bridge.sync.targets import EnrolmentTarget, OfferingTarget, ResultTarget, Target
from lms_bridge.sync.teachers import give_teachers
from lms_bridge.sync.visits import UnvisitedCourses


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
    if isinstance(peers.centre, ports.ReadsOfferings):
        feed = _feed(context, context.centre.system, Kind.OFFERING, "source", exhaustive=True)
        read: Callable[[], ports.Pages] = peers.centre.read_offerings
        keep: Callable[[], None] | None = None
        if isinstance(peers.centre, ports.ResumesOfferings):
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
    steps.append(membership_step())  # nothing that was just read is sent without a membership
    if isinstance(peers.academy, ports.ShowsOfferings) and context.full:
        shows = peers.academy
        before: dict[str, bytes] = {}

        def shown() -> ports.Pages:
            with context.database.reading() as tx:
                before.update(offering_links.published(tx, code))
            return shows.show_offerings(list(before)) if before else iter(())

        feed = _feed(
            context, ACADEMY, Kind.OFFERING, f"shown:{code}", exhaustive=False, tracked=False
        )
        compare = partial(find_offering_drift, before=before)
        steps.append(Step("catalogue compared", feed, shown, compare))
    if isinstance(peers.academy, ports.WritesOfferings):
        steps.append(Step("offerings sent", target=OfferingTarget(peers.academy, context)))
    return steps


def enrolment_steps(context: RunContext, peers: Peers) -> list[Step]:
    """Reads registrations, compares rosters, and sends accounts, then enrolments."""
    steps = []
    if isinstance(peers.academy, ports.ReadsRegistrations):
        steps.append(_registrations(context, peers.academy))
    if isinstance(peers.centre, ports.ShowsEnrolments) and context.full:
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
                explain=lambda context, snapshot: find_causes(context, shows, snapshot),
            )
        )
    if isinstance(peers.centre, ports.ShowsAccounts) and context.full:
        steps.append(Step("accounts compared", compare=partial(_accounts, peers.centre)))
    if isinstance(peers.centre, ports.WritesEnrolments):
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
    if isinstance(peers.centre, ports.ReadsResults):
        reads = peers.centre
        by_academy_id = isinstance(reads, ports.UsesAcademyIds)
        feed = _result_feed(context, academy_ids=by_academy_id)
        unvisited = UnvisitedCourses(context, feed)

        def read(courses: list[str]) -> ports.Pages:
            return unvisited.noting(reads.read_results(unvisited.left_out(reads, courses)))

        steps.append(
            Step(
                "results read",
                feed,
                lambda: (_of_all_courses if by_academy_id else _of_courses)(context, read),
                apply_results,
                apply_in_parts=apply_results_in_parts,
                applied=unvisited.keep,
            )
        )
    if isinstance(peers.academy, ports.WritesResults):
        steps.append(Step("results sent", target=ResultTarget(peers.academy)))
    if peers.gradebooks:
        steps.append(Step("gradebooks compared", act=desire_in_gradebooks))
    for where, gradebook in peers.gradebooks.items():
        steps.append(Step(f"results sent to {where}", target=gradebook))
    return steps


def _accounts(peer: ports.ShowsAccounts, context: RunContext) -> Act | None:
    changed = compare_accounts(context, peer)
    unneeded = unneeded_accounts(context, peer, changed)
    if not (changed or unneeded):
        return None

    def act(tx: Connection, context: RunContext) -> None:
        keep_changed_accounts(tx, context, changed)
        decide_about_unneeded(tx, context, unneeded)

    return act


def _registrations(context: RunContext, academy: ports.ReadsRegistrations) -> Step:
    code = context.centre.code
    feed = _feed(
        context, ACADEMY, Kind.ENROLMENT, f"source:{code}", exhaustive=True, scope_prefix=f"{code}:"
    )

    def read() -> ports.Pages:
        with context.database.reading() as tx:
            there = offering_links.at_academy(tx, code)
            cursor = source_digests.cursor(tx, ACADEMY, Kind.ENROLMENT, feed.name)
        if cursor and not context.full and isinstance(academy, ports.FollowsRegistrations):
            return academy.registrations_since(code, there, cursor)
        return academy.read_registrations(code, there)

    return Step(
        "registrations read",
        feed,
        read,
        apply_registrations,
        apply_in_parts=apply_registrations_in_parts,
    )


def _of_courses(context: RunContext, show: Callable[[list[str]], ports.Pages]) -> ports.Pages:
    """Reads the courses in which the bridge has enrolments, without those that ended long ago."""
    since = context.now() - timedelta(days=context.policy.results_days)
    with context.database.reading() as tx:
        courses = offering_links.with_enrolments(tx, context.centre.code, since)
    return show(courses) if courses else iter(())


def _of_all_courses(context: RunContext, show: Callable[[list[str]], ports.Pages]) -> ports.Pages:
    """Reads what a file says of any course, so that a row about none is told. What it says of
    courses that ended long ago does not count."""
    since = context.now() - timedelta(days=context.policy.results_days)
    with context.database.reading() as tx:
        ends = offering_links.with_end(tx, context.centre.code)
    old = {course for course, end in ends.items() if end is not None and end < since}
    return (page for page in show(list(ends)) if page.scope not in old)


def find_courses(context: RunContext, centre: object) -> None:
    """Finds the courses of offerings from other sources than the centre's LMS."""
    code = context.centre.code
    found: dict[tuple[int, str, str], str | None] = {}
    if isinstance(centre, ports.FindsOfferings):
        with context.database.reading() as tx:
            without_course = offering_links.without_course(tx, code)
        with context.lending():
            found = {each: centre.find_offering(each[2], each[1]) for each in without_course}
        unknown = [_no_course(*names) for (_, *names), course in found.items() if not course]
        context.errors += [("courses found", error) for error in unknown]
    if isinstance(centre, ports.KnowsOfferingsByCode):
        with context.database.reading() as tx:
            without_course = offering_links.without_course(tx, code, nameless=True)
        found |= {each: centre.external_id_of(each[1]) for each in without_course}
    rows = {
        each: {
            "system": context.centre.system,
            "kind": Kind.OFFERING,
            "centre": context.centre.code,
            "record_id": each[0],
            "external_id": external_id,
            "scope": "",
            "source_hash": b"",
        }
        for each, external_id in found.items()
        if external_id
    }
    if rows:
        with context.writing() as tx:
            # Somebody may have named another course while this one was looked for.
            as_before = rows.keys() & offering_links.without_course(tx, code, nameless=True)
            source_links.showed(tx, [row for each, row in rows.items() if each in as_before])


def _no_course(offering: str, lms_course: str) -> RecordRefused:
    return RecordRefused(
        "no-such-course",
        f'Offering {offering} names the course "{lms_course}", which the centre\'s LMS does not '
        "have. Its registrations wait.",
        "Correct lms_course in the centre's schedule, or give the course that ID number.",
        field="lms_course",
    )
