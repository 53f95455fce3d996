"""What is wrong now, in words: the page of operations and `lms-bridge status` say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lms_bridge.domain.access import Scope
from lms_bridge.store.attention import DECISIONS, FAILING_HOURS, Finding, Matter

_WORDS: dict[Matter, tuple[str, str]] = {
    Matter.CENTRES_FAILING: (
        "%(number)s centre fails for more than %(hours)s hours",
        "%(number)s centres fail for more than %(hours)s hours",
    ),
    Matter.CENTRES_NEVER_RAN: ("%(number)s centre never ran", "%(number)s centres never ran"),
    Matter.RECORDS_FAILING: (
        "%(number)s record waits after a failure",
        "%(number)s records wait after failures",
    ),
    Matter.QUARANTINED: (
        "%(number)s record is in quarantine",
        "%(number)s records are in quarantine",
    ),
    Matter.WEBHOOKS_OFF: (
        "%(number)s webhook is switched off",
        "%(number)s webhooks are switched off",
    ),
    Matter.MAIL_FAILING: (
        "the mail server failed at %(number)s request for a sign-in link",
        "the mail server failed at %(number)s requests for sign-in links",
    ),
    Matter.HOLDS: ("%(number)s hold waits for a decision", "%(number)s holds wait for a decision"),
    Matter.PEOPLE_UNMATCHED: (
        "%(number)s person waits to be matched",
        "%(number)s people wait to be matched",
    ),
    Matter.CONNECTIONS_WAITING: (
        "%(number)s LTI connection waits for approval",
        "%(number)s LTI connections wait for approval",
    ),
}
_COMMANDS: dict[Matter, str] = {
    Matter.CENTRES_FAILING: "run list --centre {centre}",
    Matter.CENTRES_NEVER_RAN: "sync --centre {centre}",
    Matter.RECORDS_FAILING: "resend --centre {centre} --list",
    Matter.QUARANTINED: "quarantine list",
    Matter.WEBHOOKS_OFF: "webhook list",
    Matter.MAIL_FAILING: "account mail",
    Matter.HOLDS: "hold list",
    Matter.PEOPLE_UNMATCHED: "person unmatched",
    Matter.CONNECTIONS_WAITING: "lti list",
}
PAGES: dict[Matter, tuple[str, Scope]] = {
    Matter.QUARANTINED: ("quarantine.show_quarantine", Scope.READ_OPERATIONS),
    Matter.WEBHOOKS_OFF: ("webhooks.show", Scope.ADMINISTER),
    Matter.HOLDS: ("holds.show_all", Scope.READ_OPERATIONS),
    Matter.PEOPLE_UNMATCHED: ("people.show_all", Scope.READ_OPERATIONS),
    Matter.CONNECTIONS_WAITING: ("connections.show", Scope.ADMINISTER),
}
"""The page that helps, and what it needs. Of the others, the page of each centre does."""
STOPPED = "no clock is running"


class Counted(Protocol):
    """Gives the text for one thing, or that for many, with the number in it."""

    def __call__(self, one: str, many: str, number: int, **values: object) -> str: ...


def in_english(one: str, many: str, number: int, **values: object) -> str:
    return (one if number == 1 else many) % {"number": number, **values}


def is_wrong(found: Sequence[Finding], *, stopped: bool) -> bool:
    """Whether something failed; else people have to decide at most."""
    return stopped or any(each.matter not in DECISIONS for each in found)


def message_of(found: Sequence[Finding], *, stopped: bool, failure: str = "") -> str:
    """One sentence. ``failure`` is the code of why the database stores nothing."""
    parts = [f"nothing can be stored ({failure})"] if failure else []
    parts += [STOPPED] if stopped else []
    parts += [in_words(each) for each in found]
    if not parts:
        return "Nothing is wrong."
    wrong = failure or is_wrong(found, stopped=stopped)
    lead = "Something is wrong" if wrong else "People have to decide"
    return f"{lead}: {', '.join(parts)}."


def in_words(found: Finding, counted: Counted = in_english) -> str:
    """How many there are of one kind; ``counted`` is of the reader's language."""
    one, many = _WORDS[found.matter]
    return counted(one, many, found.count, hours=FAILING_HOURS)


def command_for(found: Finding) -> str:
    """The command that helps, with the first centre in it."""
    centre = next((code for code in found.centres if code), "")
    return f"lms-bridge {_COMMANDS[found.matter]}".format(centre=centre)
