"""What is wrong now, in words: the page of operations and `lms-bridge status` say the same."""

from __future__ import annotations

from collections.abc import Sequence

from lms_bridge.domain.access import Scope
from lms_bridge.store.attention import DECISIONS, FAILING_HOURS, Finding, Matter

_WORDS: dict[Matter, tuple[str, str]] = {
    Matter.CENTRES_FAILING: (
        f"centre fails for more than {FAILING_HOURS} hours",
        f"centres fail for more than {FAILING_HOURS} hours",
    ),
    Matter.CENTRES_NEVER_RAN: ("centre never ran", "centres never ran"),
    Matter.RECORDS_FAILING: ("record waits after a failure", "records wait after failures"),
    Matter.QUARANTINED: ("record is in quarantine", "records are in quarantine"),
    Matter.WEBHOOKS_OFF: ("webhook is switched off", "webhooks are switched off"),
    Matter.HOLDS: ("hold waits for a decision", "holds wait for a decision"),
    Matter.PEOPLE_UNMATCHED: ("person waits to be matched", "people wait to be matched"),
    Matter.CONNECTIONS_WAITING: (
        "LTI connection waits for approval",
        "LTI connections wait for approval",
    ),
}
_COMMANDS: dict[Matter, str] = {
    Matter.CENTRES_FAILING: "run list --centre {centre}",
    Matter.CENTRES_NEVER_RAN: "sync --centre {centre}",
    Matter.RECORDS_FAILING: "resend --centre {centre} --list",
    Matter.QUARANTINED: "run show {run}",
    Matter.WEBHOOKS_OFF: "webhook list",
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


def message_of(found: Sequence[Finding], *, stopped: bool, failure: str = "") -> str:
    """One sentence. ``failure`` is the code of why the database stores nothing."""
    parts = [f"nothing can be stored ({failure})"] if failure else []
    parts += [STOPPED] if stopped else []
    parts += [in_words(each) for each in found]
    if not parts:
        return "Nothing is wrong."
    wrong = failure or stopped or any(each.matter not in DECISIONS for each in found)
    lead = "Something is wrong" if wrong else "Nothing failed, but people have to decide"
    return f"{lead}: {', '.join(parts)}."


def in_words(found: Finding) -> str:
    one, many = _WORDS[found.matter]
    return f"{found.count} {one if found.count == 1 else many}"


def command_for(found: Finding) -> str:
    """The command that helps, with the first centre or the last run in it."""
    centre = next((code for code in found.centres if code), "")
    return f"lms-bridge {_COMMANDS[found.matter]}".format(centre=centre, run=found.run)
