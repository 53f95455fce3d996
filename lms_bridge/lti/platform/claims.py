"""The claims of an id_token, with custom parameters and their variables.

Sources: LTI Core 1.3, section 5 and appendix C; AGS 2.0, section 3.1; NRPS 2.0, section 2.1; Deep
Linking 2.0, section 2.1.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from lms_bridge.domain.document import plain
from lms_bridge.domain.model import Learner, Offering
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.resources import Resource
from lms_bridge.lti.registrations import LtiRegistration, Privacy

PRODUCT = "lms-bridge"
NAME = "LMS bridge"
STAFF = "staff/"
"""Prefix of an operator's name in deep linking: a tool ties an account, such as a teacher's, to
it. No learner's id and no pseudonym contains a slash."""
MISSING_NAME = "-"
"""The other name of people with only one name. Without it, Moodle takes the bridge's address for
the last name, and other tools refuse the launch."""
OPERATOR = ("Academy", "Operator")
NOBODYS_HOST = "academy.invalid"
"""A name that no host can have (RFC 2606, section 2)."""
VERSION = version("lms-bridge")
VARIABLES = (
    "Context.id",
    "Context.title",
    "Context.label",
    "Context.sourcedId",
    "Context.timeFrame.begin",
    "Context.timeFrame.end",
    "CourseSection.title",
    "CourseSection.label",
    "CourseSection.sourcedId",
    "CourseSection.longDescription",
    "CourseSection.timeFrame.begin",
    "CourseSection.timeFrame.end",
    "Membership.role",
    "Message.locale",
    "Person.email.primary",
    "Person.name.family",
    "Person.name.full",
    "Person.name.given",
    "Person.sourcedId",
    "ResourceLink.description",
    "ResourceLink.id",
    "ResourceLink.title",
    "User.id",
)
"""The variables that custom parameters may contain."""


@dataclass(frozen=True, slots=True)
class ToolLaunch:
    """The content of one id_token. In deep linking ``learner`` is None, and ``offering_id`` is 0
    if new offerings are made of the choice. ``framed``: the launch is inside a platform's frame."""

    registration: LtiRegistration
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


def id_token_claims(lti_context: LtiContext, launch: ToolLaunch) -> dict[str, Any]:
    now = int(lti_context.now().timestamp())
    claims = {
        "iss": lti_context.address,
        "aud": launch.registration.client_id,
        "sub": launch.subject if launch.learner else f"{STAFF}{launch.subject}",
        "iat": now,
        "exp": now + lti_context.settings.id_token_seconds,
        "nonce": launch.nonce,
        lti.LTI_VERSION: lti.VERSION,
        lti.DEPLOYMENT_ID: (launch.registration.deployment_ids or ("1",))[0],
        lti.TARGET_LINK_URI: launch.target,
        lti.CONTEXT: context_claim(launch.offering),
        lti.TOOL_PLATFORM: {
            "guid": lti_context.address,
            "name": NAME,
            "product_family_code": PRODUCT,
            "version": VERSION,
        },
        lti.CUSTOM: custom_parameters(launch),
    }
    claims |= _launching_person(lti_context, launch) | _services(lti_context, launch)
    return claims | (_resource(launch) if launch.learner else _deep_linking(lti_context, launch))


def context_claim(offering: Offering) -> dict[str, Any]:
    return {
        "id": offering.code,
        "label": offering.course_code or offering.code,
        "title": offering.title,
        "type": [lti.COURSE_OFFERING],
    }


def person_claims(learner: Learner, privacy: Privacy) -> dict[str, Any]:
    """The personal data that this tool may have (OpenID Connect Core, section 5.1)."""
    found: dict[str, Any] = {}
    if privacy.name:
        found["name"] = full_name(learner)
        found["given_name"] = learner.given_name or MISSING_NAME
        found["family_name"] = learner.family_name or MISSING_NAME
    if privacy.email:
        found["email"] = learner.email
    return {name: text for name, text in found.items() if text}


def _operator_claims(lti_context: LtiContext, operator: str) -> dict[str, str]:
    """A neutral name and address, for tools insist on them. The address belongs to nobody, and is
    another one for each operator: a tool may tie an account to it."""
    named = hashlib.sha256(f"{lti_context.address} {operator}".encode()).hexdigest()[:12]
    given, family = OPERATOR
    return {
        "name": f"{given} {family}",
        "given_name": given,
        "family_name": family,
        "email": f"operator-{named}@{NOBODYS_HOST}",
    }


def _launching_person(lti_context: LtiContext, launch: ToolLaunch) -> dict[str, Any]:
    lis = {"course_section_sourcedid": launch.offering.code}
    if launch.learner is None:
        operator = {lti.ROLES: [lti.INSTRUCTOR], lti.LIS: lis, "locale": launch.locale}
        return operator | _operator_claims(lti_context, launch.subject)
    privacy = launch.registration.privacy
    if privacy.sourced_id:
        lis["person_sourcedid"] = launch.learner.academy_id
    return {
        **person_claims(launch.learner, privacy),
        lti.ROLES: [lti.LEARNER],
        lti.LIS: lis,
        "locale": launch.locale,
    }


def _services(lti_context: LtiContext, launch: ToolLaunch) -> dict[str, Any]:
    """The services for which the tool has scopes; it must not see others."""
    scopes, offering_id = launch.registration.granted, launch.offering_id
    found: dict[str, Any] = {}
    if not offering_id:  # there is no course to serve before the choice
        return found
    grades = [scope for scope in lti.AGS_SCOPES if scope in scopes]
    if grades:
        address = lti_context.address
        endpoint: dict[str, Any] = {
            "scope": grades,
            "lineitems": endpoints.line_items(address, offering_id),
        }
        if launch.resource and launch.resource.line_item_id:
            id_ = launch.resource.line_item_id
            endpoint["lineitem"] = endpoints.line_item(address, offering_id, id_)
        found[lti.AGS_ENDPOINT] = endpoint
    if lti.MEMBERSHIP_READ in scopes:
        found[lti.NRPS_SERVICE] = {
            "context_memberships_url": endpoints.memberships(lti_context.address, offering_id),
            "service_versions": ["2.0"],
        }
    return found


def _resource(launch: ToolLaunch) -> dict[str, Any]:
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
    }


def _deep_linking(lti_context: LtiContext, launch: ToolLaunch) -> dict[str, Any]:
    return {
        lti.MESSAGE_TYPE: lti.DEEP_LINKING_REQUEST,
        lti.LAUNCH_PRESENTATION: {"locale": launch.locale, "document_target": "window"},
        lti.DEEP_LINKING_SETTINGS: {
            "deep_link_return_url": lti_context.address + endpoints.DEEP_LINKING,
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            "accept_lineitem": True,
            "auto_create": True,
            "title": launch.offering.title,
            "data": launch.data,
        },
    }


def custom_parameters(launch: ToolLaunch) -> dict[str, str]:
    own = launch.resource.custom if launch.resource else {}
    return substitute({**launch.registration.custom, **own}, _variables(launch))


def substitute(custom: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """A parameter that is one variable as a whole gets its value. Variables that the tool may not
    know, or the bridge does not know, stay as they are (section 4.5.4)."""
    return {
        name: values.get(text[1:], text) if text.startswith("$") else text
        for name, text in custom.items()
    }


def _variables(launch: ToolLaunch) -> dict[str, str]:
    """{variable: value} of one launch."""
    offering, resource = launch.offering, launch.resource
    found = {
        "Message.locale": launch.locale,
        "User.id": launch.subject,
        "Context.id": offering.code,
        "CourseSection.longDescription": offering.description,
    }
    for name in ("Context", "CourseSection"):
        found |= {
            f"{name}.title": offering.title,
            f"{name}.label": offering.course_code or offering.code,
            f"{name}.sourcedId": offering.code,
            f"{name}.timeFrame.begin": _moment(offering.starts_at),
            f"{name}.timeFrame.end": _moment(offering.ends_at),
        }
    if resource is not None:
        found |= {
            "ResourceLink.id": resource.code,
            "ResourceLink.title": resource.title,
            "ResourceLink.description": resource.description,
        }
    if launch.learner is not None:
        found |= _person_variables(launch.learner, launch.registration.privacy)
    return found


def _person_variables(learner: Learner, privacy: Privacy) -> dict[str, str]:
    found = {"Membership.role": lti.LEARNER}
    if privacy.name:
        found |= {
            "Person.name.full": full_name(learner),
            "Person.name.given": learner.given_name,
            "Person.name.family": learner.family_name,
        }
    if privacy.email:
        found["Person.email.primary"] = learner.email
    if privacy.sourced_id:
        found["Person.sourcedId"] = learner.academy_id
    return found


def full_name(learner: Learner) -> str:
    return f"{learner.given_name} {learner.family_name}".strip()


def _moment(at: datetime | None) -> str:
    return str(plain(at) or "")
