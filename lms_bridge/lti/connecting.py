"""Connect links: how a centre's administrator, who has no account here, connects an LMS.

A link is good for one centre, as often as it is needed, until its time is over: the administrator
comes back to it to copy values, to connect the other direction, and to see what became of it. It
lets nobody in: all that is sent in through it waits for an operator's approval, and only so much.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from lms_bridge.lti import auditing, deciding, parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.room import Room
from lms_bridge.lti.waiting import check_one_more
from lms_bridge.store import centres
from lms_bridge.sync.auditing import By

PATH = "/lti/connect"
DEPLOYMENT = "1"
"""Of a tool that is connected by hand: the client id alone tells such tools apart."""
_LINK = "connect-link"


def make_link(room: Room, centre: str) -> str:
    """The address to hand to the administrator of a centre ("" for the Academy's own)."""
    token = secrets.token_urlsafe(32)
    room.once.put(_LINK, token, {"centre": centre}, room.settings.invitation_hours * 3600)
    return f"{room.address}{PATH}/{token}"


def centre_of(room: Room, token: str) -> str:
    """The code of the centre whose link it is. Raises LtiRefused when it is over, or none."""
    record = room.once.look(_LINK, token)
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
    while parties.find_tool(tx, client_id(token, number)) is not None:
        number += 1
    return number


def client_id(token: str, number: int) -> str:
    """What the bridge calls that tool. It is worked out, not stored: tools ask for it before
    anything is sent in, and looking at a page stores nothing."""
    digest = hashlib.sha256(f"client {number} of {token}".encode()).digest()
    return urlsafe_b64encode(digest[:15]).decode()


def send_in(tx: Connection, party: Party, by: By) -> Party:
    """Keeps a connection that was entered by hand, pending. The same sent twice counts once, and a
    platform that still waits takes on the new values.

    Raises:
        LtiRefused: it is connected already with other values, or too many of the centre wait.
    """
    if party.centre:
        centres.lock(tx, party.centre)
    known = _known(tx, party)
    if known is None:
        check_one_more(tx, party.centre)
        try:
            with tx.begin_nested():
                return deciding.add(tx, replace(party, status=Status.PENDING), by)
        except IntegrityError:  # the same was sent in at the same time
            known = _known(tx, party)
            if known is None:
                raise
    if deciding.fingerprint(known) == deciding.fingerprint(party) and known.centre == party.centre:
        return known
    if party.side is Side.TOOL:
        raise LtiRefused(
            "client-taken",
            "The client ID that was shown here belongs to another tool meanwhile.",
            "The values shown now have a new one: enter that in your LMS, and send the form again.",
        )
    if known.centre != party.centre:
        raise LtiRefused("platform-of-another", "This platform is registered for another centre.")
    if known.status is not Status.PENDING:
        raise LtiRefused(
            "connection-known",
            "A platform with this issuer and client id is connected already.",
            "To change it, tell the operator of the bridge.",
        )
    changed = parties.told_anew(known, party)
    parties.change(tx, changed)
    auditing.note(tx, by, known, changed)
    return changed


def _known(tx: Connection, party: Party) -> Party | None:
    if party.side is Side.TOOL:
        return parties.find_tool(tx, party.client_id)
    return parties.find_by(tx, party.issuer, party.client_id)
