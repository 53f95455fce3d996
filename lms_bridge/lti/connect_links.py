"""Connect links: how a centre's administrator, who has no account here, connects an LMS.

A link is good for one centre, as often as it is needed, until its time is over: the administrator
comes back to it to copy values, to connect the other direction, and to see what became of it. It
grants no access: what is sent through it waits for an operator's approval, and only so much.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from lms_bridge.audit import Actor
from lms_bridge.lti import approval, nonces, registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import dynamic_registration as platform_registration
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.registrations import LtiRegistration, Side, Status, check_room_for_one_more
from lms_bridge.lti.tool import dynamic_registration as tool_registration
from lms_bridge.lti.tool.tool import JWKS_PATH, LAUNCH_PATH, LOGIN_PATH
from lms_bridge.store import centres

PATH = "/lti/connect"
DEPLOYMENT = "1"
"""Of a tool that is connected by hand. Only the client id distinguishes such tools."""
_LINK = "connect-link"


def make_connect_link(lti: LtiContext, centre: str) -> str:
    """The address for a centre's administrator ("" for the Academy's own)."""
    token = secrets.token_urlsafe(32)
    lti.nonces.put(_LINK, token, {"centre": centre}, lti.settings.invitation_hours * 3600)
    return f"{lti.address}{PATH}/{token}"


def end_links(lti: LtiContext, centre: str) -> int:
    """Ends the centre's connect links, and its invitations that nobody has used; returns how many.
    What was sent through them stays."""
    purposes = _LINK, tool_registration.INVITATION, platform_registration.INVITATION
    lti.nonces.purge()
    with lti.database.writing() as tx:
        return nonces.end(tx, purposes, "centre", centre)


def centre_of_link(lti: LtiContext, token: str) -> str:
    """The code of the centre whose link it is. Raises LtiRefused when it is over, or none."""
    record = lti.nonces.look(_LINK, token)
    if record is None:
        raise LtiRefused(
            "connect-link-gone",
            "This link is not known, or its time is over.",
            "Please ask the operator of the bridge for a new one.",
            status=404,
        )
    return str(record["centre"])


def next_number(tx: Connection, token: str) -> int:
    """The number of the next tool to be connected by hand through this link."""
    number = 0
    while registrations.find_tool(tx, client_id(token, number)) is not None:
        number += 1
    return number


def client_id(token: str, number: int) -> str:
    """The client id of that tool. It is computed, not stored: a tool needs it before anything is
    sent in, and showing a page stores nothing."""
    digest = hashlib.sha256(f"client {number} of {token}".encode()).digest()
    return urlsafe_b64encode(digest[:15]).decode()


def send_in(tx: Connection, registration: LtiRegistration, by: Actor) -> LtiRegistration:
    """Keeps a connection that was entered by hand, pending. The same sent twice counts once, and a
    platform that still waits takes on the new values.

    Raises:
        LtiRefused: it is connected already with other values, or too many of the centre wait.
    """
    if registration.centre:
        centres.lock(tx, registration.centre)
    known = _known(tx, registration)
    if known is None:
        check_room_for_one_more(tx, registration.centre)
        try:
            with tx.begin_nested():
                return approval.add_registration(
                    tx, replace(registration, status=Status.PENDING), by
                )
        except IntegrityError:  # the same was sent in at the same time
            known = _known(tx, registration)
            if known is None:
                raise
    if (
        approval.fingerprint(known) == approval.fingerprint(registration)
        and known.centre == registration.centre
    ):
        return known
    if registration.side is Side.TOOL:
        raise LtiRefused(
            "client-taken",
            "The client ID that was shown here belongs to another tool meanwhile.",
            "The page shows a new client ID now. Enter it in your LMS, and send the form again.",
        )
    if known.centre != registration.centre:
        raise LtiRefused("platform-of-another", "This platform is registered for another centre.")
    if known.status is not Status.PENDING:
        raise LtiRefused(
            "connection-known",
            "A platform with this issuer and client id is connected already.",
            "To change it, tell the operator of the bridge.",
        )
    changed = registrations.registered_again(known, registration)
    registrations.change(tx, changed)
    registrations.record_change(tx, by, known, changed)
    return changed


def _known(tx: Connection, registration: LtiRegistration) -> LtiRegistration | None:
    if registration.side is Side.TOOL:
        return registrations.find_tool(tx, registration.client_id)
    return registrations.find_by(tx, registration.issuer, registration.client_id)


ISSUER, CLIENT, DEPLOYMENT_ID = "Platform ID (issuer)", "Client ID", "Deployment ID"
KEYS_URL, TOKEN_URL = "Public keyset URL", "Access token URL"
AUTHENTICATION_URL = "Authentication request URL"
"""What LMSs call these values."""
Values = list[tuple[str, str]]
"""(label, value), in the order of the form."""


def values_for_tool(address: str, client_id: str, deployment_ids: Sequence[str]) -> Values:
    """What a tool has to know of the bridge, its platform at this public address."""
    return [
        (ISSUER, address),
        (CLIENT, client_id),
        (DEPLOYMENT_ID, ", ".join(deployment_ids)),
        (KEYS_URL, address + endpoints.KEYS),
        (TOKEN_URL, address + endpoints.TOKEN),
        (AUTHENTICATION_URL, address + endpoints.AUTHENTICATION),
    ]


def values_for_platform(address: str) -> Values:
    """What a platform has to know of the bridge, its tool at this public address."""
    return [
        ("Tool URL", address + LAUNCH_PATH),
        ("Initiate login URL", address + LOGIN_PATH),
        ("Redirection URI", address + LAUNCH_PATH),
        (KEYS_URL, address + JWKS_PATH),
        ("Content selection URL (deep linking)", address + LAUNCH_PATH),
    ]
