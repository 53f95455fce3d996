"""A centre whose LMS launches the bridge: it enrols its people itself, and shows who is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial

from connectors.lti.members import ACTIVE, GONE, Member, learners, place_of
from connectors.lti.probing import probe_centres_platform
from connectors.lti.rosters import Rosters
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.identity import email_key
from lms_bridge.domain.lti_ports import LtiSystem
from lms_bridge.domain.ports import (
    Account,
    Action,
    Answer,
    Done,
    Failed,
    Finding,
    Order,
    Outcomes,
    Raw,
    Reading,
    Removal,
    Unread,
)


class PlatformCentre:
    """An offering's external id is its code, an account's the platform's own id of the person.
    Nothing can be written: who is there is found, and who is not has to wait."""

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti
        self._rosters = Rosters(lti)

    def external_id_of(self, offering: str) -> str:
        return offering

    def show_enrolments(self, offerings: Sequence[str]) -> Reading:
        """One answer per offering, over all courses from which it was launched; in one that no
        course has launched yet there is nobody."""
        courses = self._rosters.courses
        for offering in offerings:
            try:
                pages = self._rosters.of(offering) if offering in courses else ()
            except BridgeError as error:
                yield Unread(offering, error)
            else:
                yield Answer(offering, pages, partial(_states, offering, pages))

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

    def write_learners(self, orders: Sequence[Order]) -> Outcomes:
        """The platform's accounts are its own: who has one is found, nobody is created."""
        by_id = self.accounts_by_stable_id([str(each.wanted["academy_id"]) for each in orders])
        for order in orders:
            found = by_id.get(str(order.wanted["academy_id"]), ())
            known = order.external_id or (found[0].external_id if len(found) == 1 else "")
            if known:
                yield Done(order.key, known, made=False)
            else:
                yield Failed(order.key, _not_in_lms())

    # ---- enrolments --------------------------------------------------------------------

    def write_enrolments(self, orders: Sequence[Order], removal: Removal) -> Outcomes:
        """Who is on the roster is acknowledged, as somebody else's; who is not, or no longer
        active, has to wait. Nobody can be taken out."""
        del removal
        launched = self._rosters.courses.keys()
        for order in orders:
            try:
                self._check(order, launched)
            except BridgeError as error:
                yield Failed(order.key, error)
            else:
                yield Done(order.key, _place(order), made=False)

    def _check(self, order: Order, launched: Collection[str]) -> None:
        """Raises RecordRefused unless the roster is as the order wants it."""
        offering, account = str(order.wanted["offering"]), str(order.wanted["account"])
        if offering not in launched:
            raise _not_launched()
        roster = learners(self._rosters.of(offering))
        is_there = any(each.id == account and each.state == ACTIVE for each in roster)
        if is_there and order.action is Action.REMOVE:
            raise _still_there()
        if not is_there and order.action is not Action.REMOVE:
            raise _not_there()

    def probe(self) -> Iterator[Finding]:
        return probe_centres_platform(self._lti)

    def close(self) -> None:
        self._lti.close()


def _place(order: Order) -> str:
    return place_of(str(order.wanted["offering"]), str(order.wanted["account"]))


def _states(offering: str, pages: tuple[bytes, ...]) -> list[Raw]:
    return [
        Raw(place_of(offering, member.id), {"state": member.state})
        for member in learners(pages)
        if member.state != GONE
    ]


def _account(member: Member, known: Account | None) -> Account:
    """What any of a person's courses tells of them."""
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
