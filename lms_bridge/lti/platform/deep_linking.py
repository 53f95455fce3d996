"""The answer to a choice of resources: verified, read, and attached to the offering.

Source: Deep Linking 2.0, sections 2.2 and 3; 1EdTech Security Framework 1.1, section 5.2. What was
recorded from Moodle: HTML-escaped titles, ``lineItem.label`` null, ``aud`` a list, a nonce of its
own making (so that ours cannot be asked for: the one-time ``data`` ties the answer to its request).
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind, Offering, centre_system
from lms_bridge.lti import parties, reading
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform import items, resources
from lms_bridge.lti.platform.authentication import DEEP_LINKING, NONCE
from lms_bridge.lti.room import Room
from lms_bridge.lti.tokens import VerifiedClaims, unverified_issuer, verify
from lms_bridge.store import links, lti_courses, offerings

BAD = "items-invalid"
MOST_ITEMS = 50
TYPE = "ltiResourceLink"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was attached to an offering; without one, what is to become offerings of its own.
    ``passed_over`` counts items of types that the bridge did not ask for."""

    offering: Offering | None
    titles: tuple[str, ...]
    passed_over: int


def take_answer(room: Room, token: str) -> Chosen:
    """Verifies a deep linking response and attaches its resource links, or keeps them to become
    offerings. Nothing is stored, and the request is not used up, by an answer that is refused.

    Raises:
        LtiRefused: with a code of its own for each reason.
    """
    party = _sender(room, token)
    claims = verify(
        token,
        room.keysets.of(party),
        issuer=party.client_id,
        audience=room.address,
        leeway=room.settings.leeway_seconds,
        now=room.now(),
    )
    _check_message(claims, party)
    data, nonce = claims.get(lti.DL_DATA), claims.get("nonce")
    if not isinstance(nonce, str) or not nonce:
        raise LtiRefused("deep-linking-nonce", "The answer has no nonce.")
    kept = room.once.look(DEEP_LINKING, data) if isinstance(data, str) else None
    if not isinstance(data, str) or kept is None:
        raise _unknown()
    if kept["party"] != party.id:
        raise LtiRefused("deep-linking-other-client", "Another learning system was asked.")
    given = _given(claims)
    chosen = [each for each in given if each.get("type") == TYPE]
    resource_links = [_item(each, party) for each in chosen]
    offered = [_offered(*pair) for pair in zip(chosen, resource_links, strict=True)]
    passed_over = len(given) - len(chosen)
    with room.database.writing() as tx:
        if room.once.seen(NONCE, f"{party.client_id} answer {nonce}", 2 * 86_400, tx):
            raise LtiRefused("deep-linking-repeated", "This answer was given before.")
        if room.once.take(DEEP_LINKING, data, tx) is None:  # another answer was quicker
            raise _unknown()
        if not kept["offering"]:
            _keep(tx, party, offered, room.now())
            return Chosen(None, tuple(item["title"] for item in resource_links), passed_over)
        offering = offerings.offerings(tx, [kept["offering"]])[kept["offering"]]
        attached = resources.choose(tx, party, kept["offering"], resource_links, room.now())
    return Chosen(offering, tuple(each.title for each in attached), passed_over)


def _unknown() -> LtiRefused:
    return LtiRefused(
        "deep-linking-unknown",
        "This choice of resources is not known: it was answered already, or took too long.",
    )


def _offered(given: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as an offering is made of it: with its dates, and no other title than its own."""
    title = item["title"] if given.get("title") else ""
    return {**item, "title": title, **items.dates(given, BAD)}


def _keep(
    tx: Connection, party: Party, offered: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Keeps what is to become offerings. Where it is one already, its link opens the new item."""
    by_code = {items.code_of(party.centre, each): each for each in offered}
    lti_courses.choose(
        tx, party.id, {code: items.stored(each) for code, each in by_code.items()}, now
    )
    known = links.by_external_id(tx, centre_system(party.centre), Kind.OFFERING, by_code)
    records = offerings.offerings(tx, [each.record_id for each in known.values()])
    for code, there in known.items():
        item = items.restored(items.stored(by_code[code]), records[there.record_id].title)
        resources.choose(tx, party, there.record_id, [item], now)


def _sender(room: Room, token: str) -> Party:
    with room.database.reading() as tx:
        party = parties.find_tool(tx, unverified_issuer(token))
    if party is None:
        raise LtiRefused("deep-linking-client", "This learning system is not registered here.")
    if not party.active:
        raise LtiRefused("auth-client-inactive", "This connection is not active.", status=403)
    return party


def _check_message(claims: VerifiedClaims, party: Party) -> None:
    if claims.get(lti.MESSAGE_TYPE) != lti.DEEP_LINKING_RESPONSE:
        raise LtiRefused("message-type", "The message is no answer to a choice of resources.")
    if claims.get(lti.LTI_VERSION) != lti.VERSION:
        raise LtiRefused("message-version", "The message is of another version of LTI than 1.3.")
    if claims.get(lti.DEPLOYMENT_ID) not in party.deployment_ids:
        raise LtiRefused("message-deployment", "The message names an unknown deployment.")


def _given(claims: VerifiedClaims) -> list[dict[str, Any]]:
    given = claims.get(lti.CONTENT_ITEMS, [])
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise LtiRefused(BAD, "The chosen items are no list of items.")
    if len(given) > MOST_ITEMS:
        raise LtiRefused("items-too-many", f"More than {MOST_ITEMS} items were chosen.")
    return given


def _item(given: Mapping[str, Any], party: Party) -> dict[str, Any]:
    """Section 3.1: the fields of a resource link; an item without an address opens the tool."""
    address = reading.text(given, "url", BAD, longest=2000)
    if address:
        _check_address(address, party)
    title = html.unescape(reading.text(given, "title", BAD, longest=1000))
    presentation = reading.section(given, "presentation", BAD)
    target = reading.text(presentation, "documentTarget", BAD, longest=20)
    return {
        "title": (title or party.name or "Course")[:500],
        "description": html.unescape(reading.text(given, "text", BAD, longest=20_000)),
        "address": address,
        "custom": reading.custom(given, "custom", BAD),
        "target": target if target in ("iframe", "window") else "",
        **_line_item(given),
    }


def _check_address(address: str, party: Party) -> None:
    """Learners are sent where the tool lives, and nowhere else."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise LtiRefused(BAD, "An item's address cannot be read.", detail="url") from None
    known = {party.target_link_uri, party.deep_link_uri, *party.redirect_uris}
    hosts = {urlsplit(each).hostname for each in known if each}
    schemes = {urlsplit(each).scheme for each in known if each}
    if parts.scheme not in schemes or host not in hosts:
        raise LtiRefused("items-elsewhere", "An item's address is not one of this tool's.")


def _line_item(given: Mapping[str, Any]) -> dict[str, Any]:
    line_item = reading.section(given, "lineItem", BAD)
    if not line_item:
        return {"maximum": None, "label": "", "tag": "", "resource_id": ""}
    maximum = reading.number(line_item, "scoreMaximum", BAD)
    if maximum is None or maximum <= Decimal(0):
        raise LtiRefused(BAD, "scoreMaximum is not above zero.", detail="scoreMaximum")
    return {
        "maximum": maximum,
        "label": html.unescape(reading.text(line_item, "label", BAD)),
        "tag": reading.label(line_item, "tag", BAD),
        "resource_id": reading.label(line_item, "resourceId", BAD),
    }
