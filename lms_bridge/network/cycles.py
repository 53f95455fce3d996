"""Cycles: opened, changed, and compared with config/, which fills a new database once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Subject, changed_fields, record
from lms_bridge.domain.document import Json, difference, document
from lms_bridge.domain.errors import NotNow, Refused
from lms_bridge.domain.network import Cycle, area_key
from lms_bridge.network.decision import NetworkDecision, asked_of, check_days, find_cycle, listed
from lms_bridge.store import cycles, memberships
from lms_bridge.store.database import Database

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)
MOST_AREAS = 200
LONGEST_AREA = 255


def seed(database: Database, known: Mapping[str, Cycle]) -> list[str]:
    """Copies the cycles of config/ into a database that has none. Returns their names."""
    with database.writing() as tx:
        cycles.lock_network(tx)
        if cycles.all_cycles(tx):
            return []
        for each in known.values():
            cycles.add_cycle(tx, each, dict(cycles.seed_document(each)))
        return list(known)


@dataclass(frozen=True, slots=True)
class SeedChange:
    """What config/ says of a cycle now, what it said when it was copied, and what holds here.
    ``field`` is empty where the whole cycle is new in config/."""

    cycle: str
    field: str
    seeded: Json
    now: Json
    here: Json


def compare(tx: Connection, known: Mapping[str, Cycle]) -> list[SeedChange]:
    """What changed in config/ since its cycles were copied, as far as it does not hold here."""
    stored, seeds = cycles.all_cycles(tx), cycles.seeds(tx)
    found = []
    for name, now in known.items():
        if name not in stored:
            found.append(SeedChange(name, "", None, document(now), None))
        elif name in seeds:
            here = cycles.seed_document(stored[name])
            changed = difference(seeds[name], cycles.seed_document(now))
            found += [
                SeedChange(name, field, before, after, here[field])
                for field, (before, after) in changed.items()
                if here[field] != after
            ]
    return found


def open_cycle(
    new: Cycle, *, by: Actor, areas_of: str = "", overlap: bool = False
) -> NetworkDecision[Cycle]:
    """Opens a cycle, with its own areas or those of the cycle ``areas_of``.

    Raises:
        NotFound: there is no cycle ``areas_of``.
        NotNow: there is a cycle of that name.
        Refused: the name or the days cannot be used, or another cycle holds on some of its days.
    """

    def act(tx: Connection) -> Cycle:
        if cycles.find_cycle(tx, new.name) is not None:
            raise NotNow(
                "cycle-exists",
                f"There is a cycle {new.name} already.",
                f"Change it: lms-bridge cycle change {new.name}",
            )
        areas = new.areas or (find_cycle(tx, areas_of).areas if areas_of else ())
        made = replace(new, areas=_checked_areas(areas))
        _check(tx, made, overlap=overlap)
        cycles.add_cycle(tx, made)
        fields = changed_fields(None, document(made))
        record(tx, by, Change(Subject.CYCLE, "open", None, made.name, fields))
        return made

    return NetworkDecision(by, asked_of(Subject.CYCLE, "open", new.name), act)


def change_cycle(
    name: str,
    changes: Mapping[str, Any],
    *,
    by: Actor,
    overlap: bool = False,
) -> NetworkDecision[Cycle]:
    """Changes a cycle's days, programme, most areas per centre, or whether its list is complete.
    Memberships that lasted longer end with it.

    Raises:
        NotFound: there is no such cycle.
        Refused: another cycle holds on some of its days, or a membership would have none left.
    """

    def act(tx: Connection) -> Cycle:
        before = find_cycle(tx, name)
        after = replace(before, **changes)
        if after.period != before.period:
            _check(tx, after, overlap=overlap)
        cycles.change_cycle(tx, after)
        lost = [
            each.centre
            for each in memberships.all_memberships(tx, in_cycle=name)
            if each.period.is_over(each.starts_on)
        ]
        if lost:
            raise Refused(
                "memberships-outside",
                f"Memberships would have no day left in {name} ({after.period}): {listed(lost)}.",
                "Choose a later last day, or remove those that have not begun: "
                f"lms-bridge membership list --cycle {name}",
            )
        fields = changed_fields(document(before), document(after))
        record(tx, by, Change(Subject.CYCLE, "change", None, name, fields))
        return after

    return NetworkDecision(by, asked_of(Subject.CYCLE, "change", name), act)


def _check(tx: Connection, made: Cycle, *, overlap: bool) -> None:
    if not _NAME.fullmatch(made.name):
        raise Refused(
            "cycle-name",
            "The name of a cycle is letters, digits, dots, hyphens and underscores, at most 40.",
            "For example 2027-2030.",
        )
    check_days(f"The cycle {made.name}", made.period)
    others = [
        each
        for each in cycles.all_cycles(tx).values()
        if each.name != made.name and each.period.overlaps(made.period)
    ]
    if others and not overlap:
        held = listed([f"{each.name} ({each.period})" for each in others])
        raise Refused(
            "cycle-overlaps",
            f"The cycle {made.name} ({made.period}) shares days with {held}.",
            "Let the other end before (lms-bridge cycle change NAME --ends DAY), or allow it "
            "(--overlap): then the areas of both count on these days.",
        )


def _checked_areas(areas: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, in its first spelling."""
    if len(areas) > MOST_AREAS:
        raise Refused("too-many-names", f"A cycle has at most {MOST_AREAS} areas.")
    return tuple({area_key(each): checked_area(each) for each in reversed(areas)}.values())[::-1]


def checked_area(name: str) -> str:
    """The name of an area without needless blanks.

    Raises:
        Refused: it cannot be one.
    """
    text = " ".join(name.split())
    if not text or len(text) > LONGEST_AREA or set(text) & set(";=") or not text.isprintable():
        raise Refused(
            "area-name",
            f"The name of an area is one line of at most {LONGEST_AREA} characters, without ; "
            "and =.",
        )
    return text
