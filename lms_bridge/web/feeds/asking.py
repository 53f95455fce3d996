"""What a request for a feed asks for, and where this server is found."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from lms_bridge.domain.errors import Refused
from lms_bridge.feeds.addresses import Addresses
from lms_bridge.feeds.entry import Giver
from lms_bridge.reference import reference
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries.asked import Asked

_LONGEST = 500


def addresses() -> Addresses:
    """By the public address of the settings, which a request cannot change; else the one that the
    request came to."""
    named = the_bridge().settings.lti.address
    return Addresses((named or request.url_root).rstrip("/"))


def asked_for(centres: Mapping[str, Giver], *also: str) -> Asked:
    """The filters of the request. ``also`` are parameters that the route knows besides.

    Raises:
        Refused: a parameter that there is not, or a value that nothing can have. A misspelt filter
            would otherwise give everything.
    """
    known = (*Asked.__slots__, *also)
    strange = sorted(set(request.args) - set(known))
    if strange:
        raise Refused(
            "unknown-parameter",
            "The address asks by a parameter that there is not.",
            f"There are: {', '.join(known)}.",
        )
    asked = Asked(**{n: request.args.get(n, "").strip()[:_LONGEST] for n in Asked.__slots__})
    words = reference()
    for name, wanted, allowed in (
        ("region", asked.region, words.regions),
        ("modality", asked.modality, words.modalities),
        ("level", asked.level, words.levels),
    ):
        if wanted and wanted not in allowed:
            raise Refused(
                "unknown-value",
                f"There is no such {name}.",
                f"There are: {', '.join(allowed)}.",
            )
    if asked.centre and asked.centre not in centres:
        raise Refused("unknown-value", "There is no such centre.")
    return asked


def name_of(asked: Asked, centres: Mapping[str, Giver]) -> str:
    """What a feed is called in the reader's list."""
    parts = [
        reference().regions.get(asked.region, asked.region),
        centres[asked.centre].name if asked.centre else "",
        asked.topic,
        reference().modalities.get(asked.modality, ""),
        reference().levels.get(asked.level, ""),
        asked.language,
        asked.text,
        asked.code,
    ]
    return ": ".join(["Training catalogue", *(part for part in parts if part)])


def source() -> str:
    """The address of this very feed."""
    here = addresses()
    return here.under(request.path, **request.args.to_dict())
