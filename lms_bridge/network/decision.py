"""Decisions about the network: one transaction each, and a line of the audit, whatever comes of it.

A decision sees the network as no other decision changes it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Subject, record_refusal
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.domain.network import Cycle, Period
from lms_bridge.store import centres, cycles, memberships
from lms_bridge.store.database import Database
from lms_bridge.store.run_requests import request_run

Outcome = TypeVar("Outcome")
EARLIEST, LATEST = date(1990, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True, slots=True)
class NetworkDecision(Generic[Outcome]):
    """What somebody decides: ``act`` carries it out in a transaction, and records what it changes;
    ``asked`` names it where it is refused."""

    by: Actor
    asked: Callable[[Connection], Change]
    act: Callable[[Connection], Outcome]


def decide(
    database: Database,
    decision: NetworkDecision[Outcome],
    keep: Callable[[Connection, Outcome], None] = lambda tx, outcome: None,
) -> Outcome:
    """Carries a decision out in one transaction, in which ``keep`` gets the outcome. A refusal
    changes nothing, and is recorded.

    Raises:
        Refused: as the decision's ``act`` says.
    """
    try:
        with database.writing() as tx:
            cycles.lock_network(tx)
            before = _days(tx)
            outcome = decision.act(tx)
            keep(tx, outcome)
            _ask_for_sending(tx, before, decision.by)
            return outcome
    except NotFound:
        raise
    except Refused as error:
        with database.writing() as tx:
            record_refusal(tx, decision.by, decision.asked(tx), error)
        raise


def _days(tx: Connection) -> dict[str, set[Period]]:
    """{centre: the days of its memberships}"""
    found = memberships.by_centre(tx)
    return {code: {each.period for each in mine} for code, mine in found.items()}


def _ask_for_sending(tx: Connection, before: dict[str, set[Period]], by: Actor) -> None:
    """Asks for a run of each centre whose memberships hold on other days now: it postpones what has
    no membership any more (``sync.memberships``), and sends that."""
    after = _days(tx)
    changed = sorted(code for code in {*before, *after} if before.get(code) != after.get(code))
    # Of this moment: a run that has begun since the person acted may have read before it.
    request_run(tx, changed, (Flow.OFFERINGS,), utc_now(), by.name, sends_only=True)


def asked_of(
    subject: Subject, action: str, name: str, centre: str = ""
) -> Callable[[Connection], Change]:
    return lambda tx: Change(subject, action, None, name, {}, centre)


def find_cycle(tx: Connection, name: str) -> Cycle:
    """Raises NotFound, with the cycles that there are."""
    found = cycles.find_cycle(tx, name)
    if found is None:
        known = ", ".join(cycles.all_cycles(tx)) or "none yet"
        raise NotFound("no-such-cycle", f'There is no cycle "{name[:40]}".', f"Known: {known}.")
    return found


def find_centre(tx: Connection, code: str) -> Centre:
    """Raises NotFound."""
    found = centres.find(tx, code)
    if found is None:
        raise NotFound("no-such-centre", "There is no such centre.", "See `centre list`.")
    return found


def no_such_region(region: str, regions: Collection[str]) -> NotFound:
    return NotFound(
        "no-such-region",
        f'There is no region "{region[:40]}".',
        f"Known: {listed(list(regions))}.",
    )


def check_days(what: str, period: Period) -> None:
    """Raises Refused when a period ends before it begins, or lies outside of this age."""
    days = [day for day in (period.starts_on, period.ends_on) if day is not None]
    if period.ends_on is not None and period.ends_on < period.starts_on:
        raise Refused(
            "days-in-wrong-order",
            f"{what} would end on {period.ends_on}, before it starts on {period.starts_on}.",
            "Give a last day that is not before the first.",
        )
    if not all(EARLIEST <= day <= LATEST for day in days):
        raise Refused(
            "day-out-of-range", f"{what} has a day outside of {EARLIEST.year} to {LATEST.year}."
        )


def listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
