"""The deep linking response: verifies it, and attaches what was chosen to the offering.

Source: Deep Linking 2.0, sections 2.2 and 3.1.
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
from lms_bridge.lti import json_parts, registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.jwt import VerifiedClaims, unverified_issuer, verify
from lms_bridge.lti.platform import chosen_resources, resources
from lms_bridge.lti.platform.authentication import DEEP_LINKING, NONCE
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store import links, offerings

BAD = "items-invalid"
MOST_ITEMS = 50
TYPE = "ltiResourceLink"
NONCE_SECONDS = 2 * 86_400


@dataclass(frozen=True, slots=True)
class AttachedResources:
    """What was attached to ``offering``; None if new offerings are made of it. ``skipped`` counts
    items of types for which the bridge did not ask. ``alike`` are (title, code) of offerings that
    new ones may double."""

    offering: Offering | None
    titles: tuple[str, ...]
    skipped: int
    alike: tuple[tuple[str, str], ...] = ()


def accept_response(lti_context: LtiContext, token: str) -> AttachedResources:
    """Verifies a deep linking response, and stores its resource links. A refused response stores
    nothing and does not use up the request.

    Raises:
        LtiRefused: with its own code for each reason.
    """
    registration = _sender(lti_context, token)
    claims = verify(
        token,
        lti_context.keys_of(registration),
        issuer=registration.client_id,
        audience=lti_context.address,
        leeway=lti_context.settings.leeway_seconds,
        now=lti_context.now(),
    )
    _check_message(claims, registration)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not nonce:
        raise LtiRefused("deep-linking-nonce", "The response has no nonce.")
    data, offering_id = _request(lti_context, claims, registration)
    items = _content_items(claims)
    chosen = [each for each in items if each.get("type") == TYPE]
    resource_links = [_resource_link(each, registration) for each in chosen]
    skipped = len(items) - len(chosen)
    now = lti_context.now()
    with lti_context.database.writing() as tx:
        answered = f"{registration.client_id} answer {nonce}"
        if not lti_context.nonces.use(NONCE, answered, NONCE_SECONDS, tx):
            raise LtiRefused("deep-linking-repeated", "This response was sent before.")
        if lti_context.nonces.take(DEEP_LINKING, data, tx) is None:  # another response was first
            raise _unknown()
        if not offering_id:
            new = [_new_offering(*pair) for pair in zip(chosen, resource_links, strict=True)]
            alike = _store_chosen(tx, registration, new, now)
            titles = tuple(item["title"] for item in resource_links)
            return AttachedResources(None, titles, skipped, alike)
        offering = offerings.offerings(tx, [offering_id])[offering_id]
        if chosen and registration.centre == offering.centre:
            first = _new_offering(chosen[0], resource_links[0])
            chosen_resources.correct(tx, offering_id, offering.centre, registration.id, first, now)
        attached = resources.attach(tx, registration, offering_id, resource_links, now)
    return AttachedResources(offering, tuple(each.title for each in attached), skipped)


def _sender(lti_context: LtiContext, token: str) -> LtiRegistration:
    with lti_context.database.reading() as tx:
        registration = registrations.find_tool(tx, unverified_issuer(token))
    if registration is None:
        raise LtiRefused("deep-linking-client", "This learning system is not registered here.")
    if not registration.active:
        raise LtiRefused("auth-client-inactive", "This connection is not active.", status=403)
    return registration


def _check_message(claims: VerifiedClaims, registration: LtiRegistration) -> None:
    if claims.get(lti.MESSAGE_TYPE) != lti.DEEP_LINKING_RESPONSE:
        raise LtiRefused("message-type", "The message is not a deep linking response.")
    if claims.get(lti.LTI_VERSION) != lti.VERSION:
        raise LtiRefused("message-version", "The message is of another version of LTI than 1.3.")
    if claims.get(lti.DEPLOYMENT_ID) not in registration.deployment_ids:
        raise LtiRefused("message-deployment", "The message names an unknown deployment.")


def _request(
    lti_context: LtiContext, claims: VerifiedClaims, registration: LtiRegistration
) -> tuple[str, int]:
    """The request that is answered: its ``data``, and the offering's id (0 for new offerings)."""
    data = claims.get(lti.DL_DATA)
    request = lti_context.nonces.look(DEEP_LINKING, data) if isinstance(data, str) else None
    if not isinstance(data, str) or request is None:
        raise _unknown()
    if request["registration"] != registration.id:
        raise LtiRefused("deep-linking-other-client", "Another learning system was asked.")
    return data, request["offering"]


def _unknown() -> LtiRefused:
    return LtiRefused(
        "deep-linking-unknown",
        "This choice of resources is not known: it was answered already, or took too long.",
    )


def _content_items(claims: VerifiedClaims) -> list[dict[str, Any]]:
    items = claims.get(lti.CONTENT_ITEMS, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise LtiRefused(BAD, "The content items are not a list of objects.")
    if len(items) > MOST_ITEMS:
        raise LtiRefused("items-too-many", f"More than {MOST_ITEMS} items were chosen.")
    return items


def _resource_link(item: Mapping[str, Any], registration: LtiRegistration) -> dict[str, Any]:
    """The arguments of ``resources.add``; an item without an address opens the tool as a whole."""
    address = json_parts.text(item, "url", BAD, longest=2000)
    if address:
        _check_address(address, registration)
    title = html.unescape(json_parts.text(item, "title", BAD, longest=1000))
    presentation = json_parts.section(item, "presentation", BAD)
    target = json_parts.text(presentation, "documentTarget", BAD, longest=20)
    return {
        "title": (title or registration.name or "Course")[:500],
        "description": html.unescape(json_parts.text(item, "text", BAD, longest=20_000)),
        "address": address,
        "custom": json_parts.custom(item, "custom", BAD),
        "target": target if target in ("iframe", "window") else "",
        **_line_item(item),
    }


def _check_address(address: str, registration: LtiRegistration) -> None:
    """Learners are sent only to hosts of the tool. What a browser reads in another way than we do,
    such as a backslash, could be another host there."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise LtiRefused(BAD, "An item's address cannot be read.", detail="url") from None
    uris = {registration.target_link_uri, registration.deep_link_uri, *registration.redirect_uris}
    hosts = {urlsplit(each).hostname for each in uris if each}
    schemes = {urlsplit(each).scheme for each in uris if each}
    is_clear = address.isprintable() and "\\" not in address and "@" not in parts.netloc
    if not is_clear or parts.scheme not in schemes or host not in hosts:
        raise LtiRefused("items-elsewhere", "An item's address is not one of this tool's.")


def _line_item(item: Mapping[str, Any]) -> dict[str, Any]:
    line_item = json_parts.section(item, "lineItem", BAD)
    if not line_item:
        return {"maximum": None, "label": "", "tag": "", "resource_id": ""}
    maximum = json_parts.number(line_item, "scoreMaximum", BAD)
    if maximum is None or maximum <= Decimal(0):
        raise json_parts.wrong(BAD, "scoreMaximum", "is not above zero")
    return {
        "maximum": maximum,
        "label": html.unescape(json_parts.text(line_item, "label", BAD)),
        "tag": json_parts.label(line_item, "tag", BAD),
        "resource_id": json_parts.label(line_item, "resourceId", BAD),
    }


def _new_offering(item: Mapping[str, Any], resource_link: Mapping[str, Any]) -> dict[str, Any]:
    """A resource link with what an offering needs: its dates, and only a title of its own."""
    title = resource_link["title"] if item.get("title") else ""
    return {**resource_link, "title": title, **chosen_resources.dates(item, BAD)}


def _store_chosen(
    tx: Connection,
    registration: LtiRegistration,
    items: Sequence[Mapping[str, Any]],
    now: datetime,
) -> tuple[tuple[str, str], ...]:
    """Stores items of new offerings. If an offering was made of one already, its link opens the
    new item. Returns (title, code) of offerings that new ones may double."""
    centre = registration.centre
    chosen = chosen_resources.by_code(tx, registration.id, centre, items)
    by_code = {code: chosen_resources.to_json(item) for code, item in chosen.by_code.items()}
    chosen_resources.store(tx, registration.id, by_code, now)
    known = links.by_external_id(tx, centre_system(centre), Kind.OFFERING, by_code)
    doubles = links.by_external_id(
        tx, centre_system(centre), Kind.OFFERING, [code for _, code in chosen.alike]
    )
    ids = [each.record_id for each in (*known.values(), *doubles.values())]
    records = offerings.offerings(tx, ids)
    for code, link in known.items():
        item = chosen_resources.link_values(by_code[code], records[link.record_id].title)
        resources.attach(tx, registration, link.record_id, [item], now)
    return tuple(
        (title, records[doubles[code].record_id].code)
        for title, code in chosen.alike
        if code in doubles
    )
