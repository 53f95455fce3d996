"""The authentication endpoint: a tool asks for an id_token, and gets it if the launch is valid.

Sources: 1EdTech Security Framework 1.1, sections 5.1.1.2 and 5.1.1.3; OpenID Connect Core 1.0,
section 3.2.2.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.model import Offering, centre_system
from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import enrolment_access, resources
from lms_bridge.lti.platform.claims import ToolLaunch, id_token_claims
from lms_bridge.lti.platform.launch import LAUNCH, SESSION, browser_digest, check_link
from lms_bridge.lti.platform.subjects import subjects
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.vocabulary import DEEP_LINKING_REQUEST
from lms_bridge.store import centres, offerings
from lms_bridge.web.sessions import is_learners

LONGEST_PARAMETER = 8 * 1024
"""Characters: tools put whatever they have to remember into their ``state``."""
DEEP_LINKING = "deep-linking"
NONCE = "nonce"
_FIXED = {
    "response_type": ("id_token", "auth-response-type"),
    "response_mode": ("form_post", "auth-response-mode"),
    "prompt": ("none", "auth-prompt"),
}
_MESSAGES = {
    "auth-response-type": "The learning system asked for another response type than id_token.",
    "auth-response-mode": "The learning system asked for another response mode than form_post.",
    "auth-prompt": "The learning system asked for a prompt, which a launch does not allow.",
}


@dataclass(frozen=True, slots=True)
class AuthenticationResponse:
    """The form that the browser posts to the tool. ``frames`` are sources that may frame it."""

    redirect_uri: str
    id_token: str = field(repr=False)
    state: str = field(repr=False)
    frames: str = ""


def authenticate(
    lti: LtiContext, params: Mapping[str, str], browser: str
) -> AuthenticationResponse:
    """Answers an authentication request. A refused request uses up neither nonce nor launch.

    Raises:
        LtiRefused: with its own code for each reason.
    """
    registration = _client(lti, params)
    nonce = _check_params(params)
    hint = params.get("login_hint", "")
    record = _launch_record(lti, registration, hint, params.get("lti_message_hint", ""), browser)
    seconds = lti.settings.login_seconds
    with _on_way_back(record), lti.database.writing() as tx:
        launch = _launch(tx, lti, registration, record, nonce)
        if not lti.nonces.use(NONCE, f"{registration.client_id} {nonce}", seconds, tx):
            raise LtiRefused(
                "auth-nonce-used", "This launch was answered already. Please start again."
            )
        if lti.nonces.take(LAUNCH, hint, tx) is None:
            raise _login_gone()
    lti.probe.heard(registration.initiate_login_uri)
    if launch.data:
        request = {"offering": launch.offering_id, "registration": registration.id}
        lti.nonces.put(DEEP_LINKING, launch.data, request, seconds * 6)
    token = lti.keyring.sign(id_token_claims(lti, launch))
    return AuthenticationResponse(
        params["redirect_uri"], token, params.get("state", ""), record.get("frames", "")
    )


@contextmanager
def _on_way_back(record: Mapping[str, Any]) -> Iterator[None]:
    """Adds the page where the learner came from to refusals."""
    try:
        yield
    except LtiRefused as error:
        error.back = str(record.get("return") or "")
        raise


def _client(lti: LtiContext, params: Mapping[str, str]) -> LtiRegistration:
    """The tool that asks. Its redirect_uri has to be exactly a registered one."""
    registration = registrations.find_tool(lti.database, params.get("client_id", ""))
    if registration is None:
        raise LtiRefused("auth-client-unknown", "This learning system is not registered here.")
    if not registration.active:
        raise LtiRefused(
            "auth-client-inactive",
            "The connection to this learning system is not active.",
            "An operator of the bridge has to approve it.",
            status=403,
        )
    if params.get("redirect_uri", "") not in registration.redirect_uris:
        raise LtiRefused(
            "auth-redirect-unregistered",
            "The learning system asked for a redirect address that is not registered.",
        )
    return registration


def _check_params(params: Mapping[str, str]) -> str:
    """Gives the nonce."""
    if any(len(text) > LONGEST_PARAMETER for text in params.values()):
        raise LtiRefused("auth-too-large", "The request of the learning system is too large.")
    if "openid" not in params.get("scope", "").split():
        raise LtiRefused("auth-scope", "The learning system did not ask for the scope openid.")
    for name, (value, code) in _FIXED.items():
        if params.get(name) != value:
            raise LtiRefused(code, _MESSAGES[code])
    nonce = params.get("nonce", "")
    if not nonce:
        raise LtiRefused("auth-nonce-missing", "The learning system sent no nonce.")
    return nonce


def _login_gone() -> LtiRefused:
    return LtiRefused(
        "auth-login-gone",
        "This launch is not known: it was used already, or took too long.",
        "Please start again from the course's page.",
    )


def _launch_record(
    lti: LtiContext, registration: LtiRegistration, hint: str, message_hint: str, browser: str
) -> dict[str, Any]:
    """What the login initiation stored, if tool and browser are the same as then."""
    record = lti.nonces.look(LAUNCH, hint) if hint else None
    if record is None:
        raise _login_gone()
    if record["registration"] != registration.id:
        raise LtiRefused("auth-other-client", "This launch was meant for another learning system.")
    if not hmac.compare_digest(str(record["hint"]).encode(), message_hint.encode()):
        raise LtiRefused("auth-message-hint", "The learning system mixed up two launches.")
    if record["browser"] and record["browser"] != browser_digest(browser):
        raise LtiRefused(
            "auth-other-browser",
            "This launch began in another browser, or your browser blocks cookies.",
            "Please start again, and allow cookies for this site.",
            status=403,
        )
    return record


def _launch(
    tx: Connection,
    lti: LtiContext,
    registration: LtiRegistration,
    record: Mapping[str, Any],
    nonce: str,
) -> ToolLaunch:
    """Access is checked again: it may have been lost since the launch began."""
    if record["message"] == DEEP_LINKING_REQUEST:
        return _deep_linking_launch(tx, registration, record, nonce)
    check_link(tx, record)
    access = enrolment_access.open_enrolment(tx, lti, record["learner"], record["offering"])
    session = record.get(SESSION)
    if session and not is_learners(tx, session, access.learner_id):
        raise _login_gone()
    subject = subjects(tx, registration, {access.learner_id: access.learner})
    return ToolLaunch(
        registration,
        access.offering_id,
        access.offering,
        subject[access.learner_id],
        record["target"],
        nonce,
        learner=access.learner,
        resource=resources.find(tx, record["resource"]),
        return_address=record["return"],
        framed=record.get("framed", False),
    )


def _deep_linking_launch(
    tx: Connection, registration: LtiRegistration, record: Mapping[str, Any], nonce: str
) -> ToolLaunch:
    if "centre" in record:
        id_, offering = 0, _placeholder(tx, record["centre"])
    else:
        id_, offering = offerings.offerings_by_code(tx, [record["offering"]])[record["offering"]]
    return ToolLaunch(
        registration,
        id_,
        offering,
        record["person"],
        record["target"],
        nonce,
        data=secrets.token_urlsafe(24),
    )


def _placeholder(tx: Connection, centre_code: str) -> Offering:
    """Stands for the offerings that do not exist yet: tools expect a course."""
    centre = centres.find(tx, centre_code)
    title = centre.name if centre is not None else centre_code
    return Offering(centre_system(centre_code), centre_code, centre_code, title)
