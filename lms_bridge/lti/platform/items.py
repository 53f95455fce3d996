"""Content items of a tool that are to become offerings: what is kept of them until they are.

Source: Deep Linking 2.0, section 3.2.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from lms_bridge.lti import reading

OURS = "itu_"
"""How the names of custom parameters begin that describe the offering, and open nothing."""
_OF_A_LINK = (
    "title",
    "description",
    "address",
    "custom",
    "target",
    "label",
    "tag",
    "resource_id",
)


def code_of(centre: str, item: Mapping[str, Any]) -> str:
    """The same for what opens the same resource: chosen again, it is the same offering."""
    opens = {name: text for name, text in item["custom"].items() if not name.startswith(OURS)}
    whole = [centre, item["address"], opens, item["resource_id"]]
    digest = hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).digest()
    return f"lti-{base64.b32encode(digest[:10]).decode().lower()}"


def dates(given: Mapping[str, Any], code: str) -> dict[str, str]:
    """When the resource is to be had; else when it may be handed in. ISO 8601, or empty."""
    found = {}
    for name, bound in (("starts_at", "startDateTime"), ("ends_at", "endDateTime")):
        moments = (
            reading.moment(reading.section(given, part, code), bound, code)
            for part in ("available", "submission")
        )
        moment = next(filter(None, moments), None)
        found[name] = moment.isoformat() if moment else ""
    return found


def stored(item: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON values."""
    return {**item, "maximum": None if item["maximum"] is None else str(item["maximum"])}


def restored(kept: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The arguments of ``resources.add`` once more; ``title`` for an item that has none."""
    maximum = kept["maximum"]
    values = {name: kept[name] for name in _OF_A_LINK}
    return {
        **values,
        "title": kept["title"] or title,
        "maximum": None if maximum is None else Decimal(maximum),
    }
