"""The claims of an id_token: what a tool is told about a launch.

Sources: LTI Core 1.3, section 5; AGS 2.0, section 3.1; NRPS 2.0, section 2.1; Deep Linking 2.0,
section 2.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from lms_bridge.domain.model import Learner, Offering
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.parties import Party
from lms_bridge.lti.platform import endpoints, variables
from lms_bridge.lti.platform.resources import Resource
from lms_bridge.lti.room import Room

PRODUCT = "lms-bridge"
NAME = "LMS bridge"
STAFF = "staff/"
"""Before the name of an operator who chooses resources: a tool ties an account of its own, such as
a teacher's, to it. No learner's id and no pseudonym has a slash in it."""
WITHOUT_NAME = "-"
"""The other name of people with one name only. Without, Moodle takes the bridge's address for a
last name; other tools refuse the launch."""
VERSION = version("lms-bridge")


@dataclass(frozen=True, slots=True)
class Launch:
    """All that one id_token tells. ``learner`` is None where an operator chooses resources;
    ``offering_id`` is 0 where these are to become offerings themselves; ``framed`` says that the
    launch is inside a platform's frame."""

    party: Party
    offering_id: int
    offering: Offering
    subject: str
    target: str
    nonce: str
    learner: Learner | None = None
    resource: Resource | None = None
    return_address: str = ""
    framed: bool = False
    data: str = ""

    @property
    def locale(self) -> str:
        language = self.learner.language if self.learner else ""
        return language or (self.offering.languages[0] if self.offering.languages else "en")


def id_token_claims(room: Room, launch: Launch) -> dict[str, Any]:
    now = int(room.now().timestamp())
    claims = {
        "iss": room.address,
        "aud": launch.party.client_id,
        "sub": launch.subject if launch.learner else f"{STAFF}{launch.subject}",
        "iat": now,
        "exp": now + room.settings.id_token_seconds,
        "nonce": launch.nonce,
        lti.LTI_VERSION: lti.VERSION,
        lti.DEPLOYMENT_ID: (launch.party.deployment_ids or ("1",))[0],
        lti.TARGET_LINK_URI: launch.target,
        lti.CONTEXT: context_claim(launch.offering),
        lti.TOOL_PLATFORM: {
            "guid": room.address,
            "name": NAME,
            "product_family_code": PRODUCT,
            "version": VERSION,
        },
    }
    claims |= _person(launch) | _services(room, launch)
    return claims | (_resource(launch) if launch.learner else _deep_linking(room, launch))


def context_claim(offering: Offering) -> dict[str, Any]:
    return {
        "id": offering.code,
        "label": offering.course_code or offering.code,
        "title": offering.title,
        "type": [lti.COURSE_OFFERING],
    }


def person_claims(learner: Learner, party: Party) -> dict[str, Any]:
    """The personal data that may go to this party (OpenID Connect Core, section 5.1)."""
    found: dict[str, Any] = {}
    if party.privacy.name:
        found["name"] = variables.full_name(learner)
        found["given_name"] = learner.given_name or WITHOUT_NAME
        found["family_name"] = learner.family_name or WITHOUT_NAME
    if party.privacy.email:
        found["email"] = learner.email
    return {name: text for name, text in found.items() if text}


def _person(launch: Launch) -> dict[str, Any]:
    lis = {"course_section_sourcedid": launch.offering.code}
    if launch.learner is None:
        return {lti.ROLES: [lti.INSTRUCTOR], lti.LIS: lis, "locale": launch.locale}
    if launch.party.privacy.sourced_id:
        lis["person_sourcedid"] = launch.learner.academy_id
    return {
        **person_claims(launch.learner, launch.party),
        lti.ROLES: [lti.LEARNER],
        lti.LIS: lis,
        "locale": launch.locale,
    }


def _resource(launch: Launch) -> dict[str, Any]:
    resource = launch.resource
    if resource is None:
        raise ValueError("a resource link request has a resource")
    link = {"id": resource.code, "title": resource.title, "description": resource.description}
    target = "iframe" if launch.framed else resource.target or "window"
    presentation = {"locale": launch.locale, "document_target": target}
    if launch.return_address:
        presentation["return_url"] = launch.return_address
    return {
        lti.MESSAGE_TYPE: lti.RESOURCE_LINK_REQUEST,
        lti.RESOURCE_LINK: {name: text for name, text in link.items() if text},
        lti.LAUNCH_PRESENTATION: presentation,
        lti.CUSTOM: custom_of(launch),
    }


def custom_of(launch: Launch) -> dict[str, str]:
    known = variables.values(
        launch.subject,
        launch.learner,
        launch.offering,
        launch.resource,
        launch.party.privacy,
        launch.locale,
    )
    own = launch.resource.custom if launch.resource else {}
    return variables.substituted({**launch.party.custom, **own}, known)


def _services(room: Room, launch: Launch) -> dict[str, Any]:
    """The services that the party has scopes for; a tool must not be told of others."""
    party, id_ = launch.party, launch.offering_id
    found: dict[str, Any] = {}
    if not id_:  # what is chosen becomes offerings first: there is no course to serve yet
        return found
    grades = [scope for scope in lti.AGS_SCOPES if scope in party.scopes]
    if grades:
        endpoint: dict[str, Any] = {
            "scope": grades,
            "lineitems": endpoints.line_items(room.address, id_),
        }
        if launch.resource and launch.resource.line_item_id:
            endpoint["lineitem"] = endpoints.line_item(
                room.address, id_, launch.resource.line_item_id
            )
        found[lti.AGS_ENDPOINT] = endpoint
    if lti.MEMBERSHIP_READ in party.scopes:
        found[lti.NRPS_SERVICE] = {
            "context_memberships_url": endpoints.memberships(room.address, id_),
            "service_versions": ["2.0"],
        }
    return found


def _deep_linking(room: Room, launch: Launch) -> dict[str, Any]:
    return {
        lti.MESSAGE_TYPE: lti.DEEP_LINKING_REQUEST,
        lti.LAUNCH_PRESENTATION: {"locale": launch.locale, "document_target": "window"},
        lti.CUSTOM: custom_of(launch),
        lti.DEEP_LINKING_SETTINGS: {
            "deep_link_return_url": room.address + endpoints.DEEP_LINKING,
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            "accept_lineitem": True,
            "auto_create": True,
            "title": launch.offering.title,
            "data": launch.data,
        },
    }
