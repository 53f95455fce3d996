"""Options of connectors and of policies, as they are typed: `name=value`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lms_bridge.cron import check as check_cron
from lms_bridge.domain.document import plain
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Limits, Option
from lms_bridge.jobs.schedule import CATALOGUE
from lms_bridge.schemas.parts import read_part

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def connector_options(
    typed: Iterable[str], declared: Iterable[Option], before: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    """The options over those of ``before``, in their kinds' types, and every problem.

    An empty value brings the default back. `name.entry=value` sets one entry of a map.
    """
    known = {option.name: option for option in declared}
    options: dict[str, object] = dict(before)
    problems = []
    for pair in typed:
        name, equals, value = pair.partition("=")
        name, dot, entry = name.strip().partition(".")
        if not equals:
            problems.append(f"option {pair}: is not name=value")
        elif name not in known:
            there = ", ".join(known) or "none"
            problems.append(f"option {name}: there is none; there are: {there}")
        elif known[name].kind == "map" and (dot or value):
            problems.extend(_set_entry(options, name, entry, value))
        elif not value:
            options.pop(name, None)
        else:
            try:
                options[name] = _value(known[name].kind, value.strip())
            except ValueError as error:
                problems.append(f"option {name}: {error}")
    return options, problems


def _set_entry(options: dict[str, object], name: str, entry: str, value: str) -> Iterable[str]:
    if not entry:
        yield f"option {name}: is set entry by entry: {name}.entry=value"
        return
    old = options.get(name)
    options[name] = {**(old if isinstance(old, Mapping) else {}), entry: value.strip()}


def _value(kind: str, text: str) -> object:
    if kind == "number":
        return _number(text)
    if kind == "flag":
        if text.lower() not in _FLAGS:
            raise ValueError("is neither true nor false")
        return _FLAGS[text.lower()]
    if kind == "list":
        items = [item.strip() for item in text.split(",")]
        return [int(item) if item.isdecimal() else item for item in items if item]
    return text


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ValueError("is not a number") from None


def policy_values(
    typed: Iterable[str], before: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    """A centre's own policy, limits and night over those of ``before``, and every problem."""
    values: dict[str, object] = dict(before)
    problems = []
    for pair in typed:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals:
            problems.append(f"policy {pair}: is not name=value")
        elif not value.strip():
            values.pop(name, None)
        else:
            values[name] = value.strip()
    return _read(values, problems), problems


def _read(values: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    read: dict[str, object] = {}
    left = dict(values)
    if CATALOGUE in left:
        read[CATALOGUE] = left.pop(CATALOGUE)
        problems.extend(_cron_problems(str(read[CATALOGUE])))
    parts: tuple[type[Any], ...] = (Policy, Limits)
    for part in parts:
        own = {name: left.pop(name) for name in part.__slots__ if name in left}
        made, found = read_part(part, own, "policy")
        problems.extend(found)
        read.update((name, plain(getattr(made, name))) for name in own)
    allowed = ", ".join((*Policy.__slots__, *Limits.__slots__, CATALOGUE))
    problems.extend(f"policy {name}: there is none; there are: {allowed}" for name in left)
    return read


def _cron_problems(expression: str) -> Iterator[str]:
    try:
        check_cron(expression)
    except ValueError as error:
        yield f"policy {CATALOGUE}: is not a cron expression: {error}"
