"""What an operator decides on a connection: to use it, to end it, which deployments it has.

Each decision is kept in the audit, in the transaction that makes it. ``party`` is always the
connection as ``find`` gave it in that transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from lms_bridge.domain.errors import NotFound
from lms_bridge.lti import auditing, parties
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.platform.registration import check_addresses
from lms_bridge.sync.auditing import By

MOST_DEPLOYMENTS = 50


def fingerprint(party: Party) -> str:
    """Of everything that whoever is behind the connection has a say in. Who approves by a page
    approves what that page showed: a pending connection may change in between."""
    said = (
        *(party.side, party.name, party.issuer, party.client_id, party.deployment_ids),
        *(party.authorization_endpoint, party.token_endpoint, party.jwks_uri),
        *(party.initiate_login_uri, party.redirect_uris, party.target_link_uri),
        *(party.deep_link_uri, sorted(party.custom.items()), party.scopes),
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


def find(tx: Connection, number: int) -> Party:
    """The connection with that number, which nobody else changes before the transaction ends.

    Raises:
        NotFound: there is none.
    """
    party = parties.find(tx, number, lock=True)
    if party is None:
        raise NotFound(
            "no-such-party", f"There is no connection {number}.", "See `lms-bridge lti list`."
        )
    return party


def check_seen(party: Party, seen: str) -> None:
    """Raises LtiRefused unless the fingerprint that was shown with the connection is still its."""
    if seen != fingerprint(party):
        raise LtiRefused(
            "connection-changed",
            "The connection has changed since it was shown.",
            "Look at it again before you approve it.",
            status=409,
        )


def add(tx: Connection, party: Party, by: By) -> Party:
    """Adds a connection, and gives it back with its number."""
    party = parties.add(tx, party)
    auditing.note(tx, by, None, party)
    return party


def approve(tx: Connection, party: Party, chosen: Party, by: By) -> Party:
    """Lets a connection be used. ``chosen`` is the party with the operator's choices: which
    personal data go along, how learners are known, where it opens.

    Raises:
        LtiRefused: an address of the tool must not be reached.
    """
    if chosen.side is Side.TOOL:
        check_addresses(chosen)
    return _change(tx, party, replace(chosen, status=Status.ACTIVE), by)


def reject(tx: Connection, party: Party, by: By) -> Status | None:
    """Ends a connection: the status that it has now, or None when it is forgotten, as one that
    was never used is."""
    if party.status is Status.PENDING and _forget(tx, party):
        auditing.note(tx, by, party, None)
        return None
    return _change(tx, party, replace(party, status=Status.DISABLED), by).status


def _change(tx: Connection, before: Party, after: Party, by: By) -> Party:
    parties.change(tx, after)
    auditing.note(tx, by, before, after)
    return after


def _forget(tx: Connection, party: Party) -> bool:
    """One that registered again waits, too, and what it was used for stands for it."""
    try:
        with tx.begin_nested():
            parties.remove(tx, party.id)
    except IntegrityError:
        return False
    return True


def add_deployment(tx: Connection, party: Party, deployment_id: str, by: By) -> Party:
    """Some platforms, Canvas among them, tell the deployment only after the registration.

    Raises:
        LtiRefused: the id cannot be one, or there are too many.
    """
    usable = 0 < len(deployment_id) <= 255 and deployment_id.isprintable()
    if not usable or len(party.deployment_ids) >= MOST_DEPLOYMENTS:
        raise LtiRefused("deployment-invalid", "This is not a deployment id, or one too many.")
    ids = tuple(dict.fromkeys((*party.deployment_ids, deployment_id)))
    return _change(tx, party, replace(party, deployment_ids=ids), by)
