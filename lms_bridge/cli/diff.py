"""Items of a run, field by field: what changed, or what would.

Long texts are shortened to where they differ. Of people only the names of changed fields are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from lms_bridge.cli.output import clean, say, shortened
from lms_bridge.domain.model import system_label

LONGEST = 60
_SIGNS = {"create": "+", "update": "~", "remove": "-", "read": "!", "conflict": "!"}
_COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "red"}
_EMPTY: tuple[object, ...] = (None, "", [], {})


def show_items(
    items: Iterable[Mapping[str, Any]], names: Mapping[tuple[str, int], str], indent: str = "  "
) -> None:
    for item in items:
        sign = _SIGNS.get(item["action"], "*")
        say(indent + click.style(_headline(item, sign, names), fg=_COLOURS.get(sign)))
        for line in _fields(item):
            say(f"{indent}    {line}")
        if item["message"]:
            say(f"{indent}    {clean(item['message'])}")


def _headline(item: Mapping[str, Any], sign: str, names: Mapping[tuple[str, int], str]) -> str:
    name = names.get((item["kind"], item["record_id"] or 0)) or clean(item["external_id"])
    at = system_label(item["system"])
    where = f" ({clean(item['external_id'])} at {at})" if item["external_id"] else ""
    return f"{sign} {item['kind']} {name or 'new'}: {item['action']}, {item['state']}{where}"


def _fields(item: Mapping[str, Any]) -> Iterator[str]:
    fields = item["fields"] or {}
    personal = [name for name, values in fields.items() if values is None]
    if personal:
        yield f"{', '.join(personal)} (personal or secret: values are not shown)"
    for name, values in fields.items():
        if values is None:
            continue
        old, new = values
        if old in _EMPTY and new in _EMPTY:
            continue
        if old in _EMPTY:
            yield f"{name}: {shortened(_text(new), LONGEST)}"
        else:
            before, after = differing(_text(old), _text(new))
            yield f"{name}: {before} -> {after}"


def _text(value: object) -> str:
    if value in _EMPTY:
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_text(each) for each in value)
    if isinstance(value, Mapping):
        return " ".join(_text(each) for each in value.values())
    return clean(value)


def differing(old: str, new: str) -> tuple[str, str]:
    """Both texts, cut down to the place where they begin to differ."""
    if len(old) <= LONGEST and len(new) <= LONGEST:
        return old, new
    pairs = enumerate(zip(old, new, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(old), len(new)))
    start = max(0, same - LONGEST // 3)
    lead = "…" if start else ""
    return lead + shortened(old[start:], LONGEST), lead + shortened(new[start:], LONGEST)
