"""Writes enrolments by Moodle's manual method: enrols, activates, suspends and unenrols.

``enrol_manual_enrol_users`` accepts all rows or none. A repeated call only sets the times and the
suspension again, so every call here is safe to repeat.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from lms_bridge.connectors.moodle.accounts import account_gone, shown_account
from lms_bridge.connectors.moodle.batches import (
    CourseQueue,
    Outcome,
    Task,
    failed,
    failed_rest,
    write_batch,
)
from lms_bridge.connectors.moodle.client import Parameter, epoch
from lms_bridge.connectors.moodle.courses import CourseRef
from lms_bridge.connectors.moodle.deleted_courses import explained
from lms_bridge.connectors.moodle.groups import (
    add_members,
    edition_groups,
    find_or_create_group,
    remove_members,
)
from lms_bridge.connectors.moodle.refusals import IN_PLACE, stops_everything
from lms_bridge.connectors.moodle.roster import MoodleRoster, roster_before_writes
from lms_bridge.connectors.moodle.shown_accounts import state_of
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.batches import bisected, chunks
from lms_bridge.domain.errors import AccessDenied, BridgeError, RecordRefused
from lms_bridge.domain.ports import (
    Action,
    Removal,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)

ENROL, UNENROL = "enrol_manual_enrol_users", "enrol_manual_unenrol_users"
DROP_ROLE = "core_role_unassign_roles"
GONE = "gone with the course"
_REACTIVATED = "reactivated"
_NO_ACCOUNT = frozenset({"userdeleted", "invaliduser"})
_MAYBE_NO_ACCOUNT = frozenset({"codingerror", "invalidparameter", "invalidrecord"})
"""What Moodle 4.1, 4.2 and 5.1 say of an unknown account, among other things."""


@dataclass(frozen=True, slots=True)
class EnrolmentOrder:
    """A write request, with the course, the edition and the account that its document names."""

    request: WriteRequest
    ref: CourseRef
    person: int
    external_id: str

    @classmethod
    def parse(cls, request: WriteRequest) -> EnrolmentOrder:
        """Raises ``RecordRefused`` if the offering or the account is not one of Moodle's."""
        document = request.desired
        offering, account = str(document.get("offering") or ""), str(document.get("account") or "")
        if not (offering and account) and "/" in request.external_id:
            offering, _, account = request.external_id.rpartition("/")
        if not (account.isascii() and account.isdecimal()):
            raise RecordRefused("not-an-account", "The request does not name a Moodle account.")
        return cls(request, CourseRef.parse(offering), int(account), f"{offering}/{account}")

    @property
    def key(self) -> int:
        return self.request.key

    def group(self, site: MoodleSite) -> str:
        """The ID number of the person's group in the course; "" for no group."""
        code = self.request.desired.get("offering_code", "") if site.settings["groups"] else ""
        return self.ref.edition or str(code)

    @property
    def is_new(self) -> bool:
        """Whether the bridge has never tried to make this enrolment."""
        return self.request.action is Action.CREATE and not self.request.is_retry

    @property
    def stays(self) -> bool:
        """Whether the person stays in the course for another edition."""
        return "stays" in self.request.desired

    @property
    def may_activate(self) -> bool:
        """Whether the person may be made active if they are suspended."""
        return self.is_ours_already or "reactivate" in self.request.desired

    @property
    def is_ours_already(self) -> bool:
        """Whether the bridge put the person into the course for another edition."""
        return "ours_there" in self.request.desired

    def row(self, role: int, *, suspend: int) -> dict[str, Parameter]:
        """The row that enrols or changes the person. A time of 0 means no limit."""
        document = self.request.desired
        starts = document.get("course_starts_at", document.get("starts_at"))
        ends = document.get("course_ends_at", document.get("ends_at"))
        return {
            "roleid": role,
            "userid": self.person,
            "courseid": self.ref.course,
            "timestart": epoch(str(starts)) if starts else 0,
            "timeend": epoch(str(ends)) if ends else 0,
            "suspend": suspend,
        }


@dataclass(slots=True)
class CourseState:
    """What is known of a course while its requests are carried out."""

    id: int
    roster: MoodleRoster | None = None
    groups: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def preflight(self, site: MoodleSite) -> MoodleRoster:
        """The course's roster before the bridge wrote anything. It is read once."""
        if self.roster is None:
            self.roster = roster_before_writes(site, self.id)
        return self.roster


def write_enrolments(
    site: MoodleSite, requests: Sequence[WriteRequest], removal: Removal
) -> WriteResults:
    by_course: dict[int, list[EnrolmentOrder]] = defaultdict(list)
    for request in requests:
        try:
            entry = EnrolmentOrder.parse(request)
        except RecordRefused as error:
            yield WriteFailed(request.key, error)
            continue
        by_course[entry.ref.course].append(entry)
    queue = CourseQueue()
    for course, entries in by_course.items():
        for task in _tasks(site, CourseState(course), entries, removal):
            queue.add(course, task)
    yield from site.pool.outcomes(queue.next_task)


def _tasks(
    site: MoodleSite, course: CourseState, entries: Sequence[EnrolmentOrder], removal: Removal
) -> Iterator[Task[Outcome]]:
    """The course's batches. New people come first: their batch reads the roster, and ends before
    the others begin. So all batches see the roster as it was before."""
    leaving = [entry for entry in entries if entry.request.action is Action.REMOVE]
    coming = [entry for entry in entries if entry.request.action is not Action.REMOVE]
    coming.sort(key=lambda entry: not entry.is_new)
    size = site.settings["batch"]
    for batch in chunks(coming, size):
        yield partial(_enrol, site, course, batch)
    for batch in chunks(leaving, size):
        yield partial(_unenrol, site, course, batch, removal)


# ---- enrolling --------------------------------------------------------------------------------


def _enrol(
    site: MoodleSite, course: CourseState, entries: Sequence[EnrolmentOrder]
) -> list[Outcome]:
    """Enrols one batch. People who are active on the roster are left alone. Whom it enrolled is the
    bridge's, also if something fails after that."""
    outcomes: list[Outcome] = []
    enrolled: list[EnrolmentOrder] = []
    before: frozenset[int] = frozenset()
    try:
        before, suspended = _on_roster_before(site, course, entries)
        active = before - suspended
        enrolled += [entry for entry in entries if entry.person in active]
        left = [e for e in entries if e.person in suspended and not e.may_activate]
        outcomes += [WriteFailed(entry.key, _left_suspended(entry)) for entry in left]
        sent = [e for e in entries if e.person not in active and e not in left]
        for batch, answer in _sent(site, course, sent):
            if isinstance(answer, RecordRefused):
                outcomes.append(WriteFailed(batch[0].key, _refused(site, batch[0], answer)))
            else:
                enrolled += batch
        outcomes += _into_groups(site, course, enrolled, before, suspended)
    except BridgeError as error:
        told = _in_course(entries[0].ref, explained(site, entries[0].ref, error))
        ours = {entry.key for entry in enrolled if entry.person not in before}
        for each in failed_rest(entries, outcomes, told):
            if isinstance(each, WriteFailed) and each.key in ours:
                outcomes.append(replace(each, arrived=True))
            else:
                outcomes.append(each)
    return outcomes


def _named(ref: CourseRef, outcome: Outcome) -> Outcome:
    if isinstance(outcome, Written):
        return outcome
    return WriteFailed(outcome.key, _in_course(ref, outcome.error))


def _in_course(ref: CourseRef, error: BridgeError) -> BridgeError:
    """The error of a missing permission or method, with the course. A capability that is named is
    missing in every course."""
    if error.code not in IN_PLACE or error.code == "nopermissions":
        return error
    return AccessDenied(error.code, f"Course {ref.course}: {error.message}", error.remedy)


def _left_suspended(entry: EnrolmentOrder) -> RecordRefused:
    return RecordRefused(
        "suspended-there",
        f"The centre itself enrolled account {entry.person} in course {entry.ref.course}, and "
        "suspended it.",
        'Ask the centre to lift that, or let the bridge do it: policy.suspended = "reactivate".',
    )


def _refused(site: MoodleSite, entry: EnrolmentOrder, error: RecordRefused) -> RecordRefused:
    if error.code in _NO_ACCOUNT or (
        error.code in _MAYBE_NO_ACCOUNT and _is_gone(site, entry.person)
    ):
        return account_gone(entry.person)
    return error


def _is_gone(site: MoodleSite, account: int) -> bool:
    """Whether there is no such account, or only what Moodle keeps of a deleted one."""
    return all(state_of(row) == "gone" for row in shown_account(site, account))


def _on_roster_before(
    site: MoodleSite, course: CourseState, entries: Sequence[EnrolmentOrder]
) -> tuple[frozenset[int], frozenset[int]]:
    """The new people who were on the roster before, and those of them who are suspended."""
    new = {entry.person for entry in entries if entry.is_new}
    roster = course.preflight(site) if new else course.roster
    if roster is None:
        return frozenset(), frozenset()
    return roster.ids() & new, roster.suspended & new


def _sent(
    site: MoodleSite, course: CourseState, entries: Sequence[EnrolmentOrder]
) -> Iterator[tuple[Sequence[EnrolmentOrder], RecordRefused | None]]:
    role = site.settings["role_id"]

    def send(some: Sequence[EnrolmentOrder]) -> None:
        site.client.call(ENROL, {"enrolments": [entry.row(role, suspend=0) for entry in some]})

    if not entries:
        return
    try:
        send(entries)
    except RecordRefused:
        course.preflight(site)  # fails if the course is gone, which would refuse every row
        yield from bisected(entries, send)
    else:
        yield entries, None


def _into_groups(
    site: MoodleSite,
    course: CourseState,
    entries: Sequence[EnrolmentOrder],
    before: frozenset[int],
    suspended: frozenset[int],
) -> list[Outcome]:
    """Puts people into their editions' groups. Those who were there ``before`` are not ours."""
    outcomes: list[Outcome] = []
    by_group: dict[str, list[EnrolmentOrder]] = defaultdict(list)
    for entry in entries:
        by_group[entry.group(site)].append(entry)
    for code, some in by_group.items():
        if code:
            with course.lock:
                if code not in course.groups:
                    title = str(some[0].request.desired.get("offering_title") or "")
                    group = find_or_create_group(site.client, course.id, code, title)
                    course.groups[code] = group
            add_members(site.client, course.groups[code], [entry.person for entry in some])
        outcomes += [
            Written(
                entry.key,
                entry.external_id,
                created_by_us=entry.person not in before or entry.is_ours_already,
                note=_REACTIVATED if entry.person in suspended else "",
            )
            for entry in some
        ]
    return outcomes


# ---- unenrolling ------------------------------------------------------------------------------


def _unenrol(
    site: MoodleSite, course: CourseState, entries: Sequence[EnrolmentOrder], removal: Removal
) -> list[Outcome]:
    """Ends one batch of enrolments. Only people on the roster are touched: to "suspend" somebody
    else would enrol them."""
    if removal is Removal.KEEP:
        return _done(entries, "kept there")
    try:
        on_roster = course.preflight(site).ids()
        gone = [entry for entry in entries if entry.person not in on_roster]
        here = [entry for entry in entries if entry.person in on_roster]
        _leave_groups(site, course, here)
        staying = [entry for entry in here if entry.stays]
        _set_dates(site, staying)
    except BridgeError as error:
        if stops_everything(error):
            raise
        error = _in_course(entries[0].ref, explained(site, entries[0].ref, error))
        return _done(entries, GONE) if error.code == "course-gone" else failed(entries, error)
    ending = [entry for entry in here if entry not in staying]
    outcomes = _done(gone, "was gone already") + _done(staying, "is in another edition")
    ended = write_batch(ending, partial(_end, site, removal))
    return outcomes + [_named(entries[0].ref, each) for each in ended]


def _leave_groups(site: MoodleSite, course: CourseState, entries: Sequence[EnrolmentOrder]) -> None:
    """Takes people out of the groups of the offerings that they leave."""
    leaving: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        leaving[entry.group(site)].append(entry.person)
    leaving.pop("", None)
    groups = edition_groups(site.client, course.id) if leaving else {}
    for code, people in leaving.items():
        if code in groups:
            remove_members(site.client, groups[code].id, people)


def _set_dates(site: MoodleSite, staying: Sequence[EnrolmentOrder]) -> None:
    """Those who stay for other editions have the times of these from now on."""
    role = site.settings["role_id"]
    dated = [entry for entry in staying if "course_ends_at" in entry.request.desired]
    if dated:
        rows: list[Parameter] = [entry.row(role, suspend=0) for entry in dated]
        site.client.call(ENROL, {"enrolments": rows})


def _end(site: MoodleSite, removal: Removal, entries: Sequence[EnrolmentOrder]) -> list[Outcome]:
    if removal is Removal.UNENROL:
        rows: list[Parameter] = [
            {"userid": entry.person, "courseid": entry.ref.course} for entry in entries
        ]
        site.client.call(UNENROL, {"enrolments": rows})
        return _done(entries, "")
    role = site.settings["role_id"]
    site.client.call(ENROL, {"enrolments": [entry.row(role, suspend=1) for entry in entries]})
    if removal is Removal.SUSPEND_DROP_ROLE:
        roles: list[Parameter] = [
            {
                "roleid": role,
                "userid": entry.person,
                "contextlevel": "course",
                "instanceid": entry.ref.course,
            }
            for entry in entries
        ]
        site.client.call(DROP_ROLE, {"unassignments": roles})
    return _done(entries, "")


def _done(entries: Sequence[EnrolmentOrder], note: str) -> list[Outcome]:
    return [Written(entry.key, entry.external_id, note=note) for entry in entries]
