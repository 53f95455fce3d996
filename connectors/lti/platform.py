"""A centre whose LMS is an LTI platform. It enrols its people itself and shows its rosters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial

from lms_bridge.connectors.lti.probe import probe_centres_platform
from lms_bridge.connectors.lti.roster import (
    ACTIVE,
    GONE,
    LtiMember,
    LtiRosters,
    PlatformNotActive,
    enrolment_id,
    learners,
)
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.lti_ports import LtiSystem
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.ports import (
    Account,
    Action,
    Page,
    PageError,
    Pages,
    ProbeFinding,
    RawRecord,
    Removal,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)


class PlatformCentre:
    """The external id of an offering is its code. That of an account is the platform's person id.

    Nothing can be written there. Orders for people who are on the roster are acknowledged. All
    others wait until the centre enrols them.
    """

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti
        self._rosters = LtiRosters(lti)

    def external_id_of(self, offering: str) -> str:
        return offering

    def show_enrolments(self, offerings: Sequence[str]) -> Pages:
        """One answer per offering, over all courses that have launched it.

        An offering that was never launched has an empty roster.
        """
        for offering in offerings:
            try:
                pages = self._rosters.pages_for(offering)
            except PlatformNotActive as error:
                yield PageError(offering, error, helps=error.helps)
            except BridgeError as error:
                yield PageError(offering, error)
            else:
                whole = offering not in self._rosters.ended
                yield Page(offering, pages, partial(_states, offering, pages), whole)

    # ---- people ------------------------------------------------------------------------

    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        found = self._accounts_by(lambda account: account.stable_id)
        return {id_: found[id_] for id_ in ids if id_ in found}

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        found = self._accounts_by(lambda account: email_key(account.email))
        return {email: found[email_key(email)] for email in emails if email_key(email) in found}

    def _accounts_by(self, key: Callable[[Account], str]) -> Mapping[str, Sequence[Account]]:
        found: dict[str, list[Account]] = defaultdict(list)
        for account in self._accounts.values():
            if key(account):
                found[key(account)].append(account)
        return dict(found)

    @cached_property
    def _accounts(self) -> Mapping[str, Account]:
        accounts: dict[str, Account] = {}
        for member in self._rosters.everybody():
            accounts[member.id] = _account(member, accounts.get(member.id))
        return accounts

    def write_learners(self, requests: Sequence[WriteRequest]) -> WriteResults:
        """Finds existing accounts. The bridge cannot create accounts on a platform."""
        by_id = self.accounts_by_stable_id([str(each.desired["academy_id"]) for each in requests])
        for request in requests:
            found = by_id.get(str(request.desired["academy_id"]), ())
            known = request.external_id or (found[0].external_id if len(found) == 1 else "")
            if known:
                yield Written(request.key, known, created_by_us=False)
            else:
                yield WriteFailed(request.key, _not_in_lms())

    # ---- enrolments --------------------------------------------------------------------

    def write_enrolments(self, requests: Sequence[WriteRequest], removal: Removal) -> WriteResults:
        """Acknowledges people who are active on the roster, as not created by the bridge. All
        others wait. Nobody can be removed."""
        del removal
        launched = self._rosters.courses.keys() | self._rosters.ended.keys()
        for request in requests:
            try:
                self._check(request, launched)
            except BridgeError as error:
                yield WriteFailed(request.key, error)
            else:
                yield Written(request.key, _enrolment_id(request), created_by_us=False)

    def _check(self, request: WriteRequest, launched: Collection[str]) -> None:
        """Raises RecordRefused unless the roster already is as the order asks."""
        offering, account = str(request.desired["offering"]), str(request.desired["account"])
        if offering not in launched:
            raise _not_launched()
        roster = learners(self._rosters.pages_for(offering))
        is_there = any(each.id == account and each.state == ACTIVE for each in roster)
        if is_there and request.action is Action.REMOVE:
            raise _still_there()
        if not is_there and request.action is not Action.REMOVE:
            raise _not_there()

    def probe(self) -> Iterator[ProbeFinding]:
        return probe_centres_platform(self._lti)

    def close(self) -> None:
        self._lti.close()


def _enrolment_id(request: WriteRequest) -> str:
    return enrolment_id(str(request.desired["offering"]), str(request.desired["account"]))


def _states(offering: str, pages: tuple[bytes, ...]) -> list[RawRecord]:
    return [
        RawRecord(enrolment_id(offering, member.id), {"state": member.state})
        for member in learners(pages)
        if member.state != GONE
    ]


def _account(member: LtiMember, known: Account | None) -> Account:
    """Adds what one more course shows of a person."""
    name = member.name or f"{member.given_name} {member.family_name}".strip()
    before = known or Account(member.id)
    return Account(
        member.id,
        stable_id=member.sourced_id or before.stable_id,
        email=member.email or before.email,
        name=name or before.name,
    )


def _not_in_lms() -> RecordRefused:
    return RecordRefused(
        "not-in-lms",
        "The LMS enrols its people itself, and shows nobody with this learner's id.",
        "Enrol the learner there, with the Academy's id as their ID number.",
    )


def _not_launched() -> RecordRefused:
    return RecordRefused(
        "not-launched",
        "The offering was not launched from any course of the LMS yet.",
        "Pick it into a course there (deep linking), and open it once.",
    )


def _not_there() -> RecordRefused:
    return RecordRefused(
        "not-on-roster",
        "The LMS enrols its people itself: the learner is not in the course yet, or not active.",
        "Enrol the learner in the course there.",
    )


def _still_there() -> RecordRefused:
    return RecordRefused(
        "still-on-roster",
        "The LMS enrols its people itself: the learner is still in the course.",
        "Take the learner out of the course there.",
    )
