"""Operators approve, reject and change connections."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from lms_bridge.audit import Actor
from lms_bridge.domain.errors import NotFound
from lms_bridge.lti import deployments, nonces, registrations
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform.dynamic_registration import check_addresses
from lms_bridge.lti.platform.launch import LAUNCH, LINK, PLATFORM
from lms_bridge.lti.registrations import LtiRegistration, Side, Status


def fingerprint(registration: LtiRegistration) -> str:
    """A hash of everything that the other side can set. An operator approves what the page showed,
    and a pending connection may change in between."""
    values = (
        *(
            registration.side,
            registration.name,
            registration.issuer,
            registration.client_id,
            registration.deployment_ids,
        ),
        *(registration.authorization_endpoint, registration.token_endpoint, registration.jwks_uri),
        registration.token_audience,
        *(
            registration.initiate_login_uri,
            registration.redirect_uris,
            registration.target_link_uri,
        ),
        *(registration.deep_link_uri, sorted(registration.custom.items()), registration.scopes),
    )
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]


def find_registration(tx: Connection, number: int) -> LtiRegistration:
    """The connection with that number, which nobody else changes before the transaction ends.

    Raises:
        NotFound: there is none.
    """
    registration = registrations.find(tx, number, lock=True)
    if registration is None:
        raise NotFound(
            "no-such-connection", f"There is no connection {number}.", "See `lms-bridge lti list`."
        )
    return registration


def check_seen(registration: LtiRegistration, seen: str) -> None:
    """Raises LtiRefused if the connection changed since its fingerprint was shown."""
    if seen != fingerprint(registration):
        raise LtiRefused(
            "connection-changed",
            "The connection has changed since it was shown.",
            "Look at it again before you approve it.",
            status=409,
        )


def add_registration(tx: Connection, registration: LtiRegistration, by: Actor) -> LtiRegistration:
    """Adds a connection, and returns it with its number."""
    registration = registrations.add(tx, registration)
    registrations.record_change(tx, by, None, registration)
    return registration


def approve_registration(
    tx: Connection, registration: LtiRegistration, chosen: LtiRegistration, by: Actor
) -> LtiRegistration:
    """Lets a connection be used. ``chosen`` is the registration with the operator's choices: which
    personal data go along, how learners are known, where it opens.

    Raises:
        LtiRefused: an address of the tool must not be reached, or the token audience cannot be one.
    """
    if not registrations.is_audience(chosen.token_audience):
        raise LtiRefused("audience-invalid", "This is not a token audience, or too long a one.")
    if chosen.side is Side.TOOL:
        check_addresses(chosen)
    if chosen.any_deployment:  # none waits any more
        deployments.forget(tx, registration.id)
    return change_registration(tx, registration, replace(chosen, status=Status.ACTIVE), by)


def reject_registration(tx: Connection, registration: LtiRegistration, by: Actor) -> Status | None:
    """Ends a connection: the status that it has now, or None when it is forgotten, as one that
    was never used is. Launches of a platform that are under way end, too."""
    if registration.status is Status.PENDING and _forget(tx, registration):
        registrations.record_change(tx, by, registration, None)
        return None
    nonces.end(tx, (LAUNCH, LINK), PLATFORM, str(registration.id))
    return change_registration(
        tx, registration, replace(registration, status=Status.DISABLED), by
    ).status


def change_registration(
    tx: Connection, before: LtiRegistration, after: LtiRegistration, by: Actor
) -> LtiRegistration:
    """Stores an operator's change of a connection, and writes it to the audit."""
    registrations.change(tx, after)
    registrations.record_change(tx, by, before, after)
    return after


def _forget(tx: Connection, registration: LtiRegistration) -> bool:
    """Deletes it unless something refers to it: one that registered again may have been used."""
    try:
        with tx.begin_nested():
            registrations.remove(tx, registration.id)
    except IntegrityError:
        return False
    return True


def add_deployment(
    tx: Connection, registration: LtiRegistration, deployment_id: str, by: Actor
) -> LtiRegistration:
    """Some platforms, such as Canvas, name the deployment only after the registration.

    Raises:
        LtiRefused: the id cannot be one.
    """
    if not 0 < len(deployment_id) <= 255 or not deployment_id.isprintable():
        raise LtiRefused("deployment-invalid", "This is not a deployment id.")
    ids = tuple(dict.fromkeys((*registration.deployment_ids, deployment_id)))
    deployments.forget(tx, registration.id, deployment_id)
    return change_registration(tx, registration, replace(registration, deployment_ids=ids), by)


def remove_deployment(
    tx: Connection, registration: LtiRegistration, deployment_id: str, by: Actor
) -> LtiRegistration:
    """Takes an accepted deployment back: launches from it are refused and counted again.

    Raises:
        NotFound: it is not accepted.
        LtiRefused: it is the only one of a tool, which cannot be launched without.
    """
    ids = tuple(each for each in registration.deployment_ids if each != deployment_id)
    if ids == registration.deployment_ids:
        raise NotFound("no-such-deployment", "The connection has no such deployment.")
    if not ids and registration.side is Side.TOOL:
        raise LtiRefused("deployment-last", "A tool needs one deployment at least.")
    return change_registration(tx, registration, replace(registration, deployment_ids=ids), by)
