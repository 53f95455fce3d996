"""From verified claims to a launch: each part that a message must have is checked here. Optional
parts never cost a launch: what cannot be used counts as missing.

Sources: LTI Core 1.3, section 5.3 (required claims); Deep Linking 2.0, section 4.4.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from lms_bridge.domain.lti_roles import names_of
from lms_bridge.lti import json_parts, optional_parts, vocabulary
from lms_bridge.lti.errors import DeploymentUnknown, LtiRefused
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.tool.launch import (
    CourseContext,
    Grading,
    Launch,
    LaunchingPerson,
    MessageType,
    ResourceLink,
    Selection,
)
from lms_bridge.lti.tool.login_state import LoginState

Claims = Mapping[str, object]
_NOT_TARGETS = ("embed",)
_REGISTERED = ("course_section_sourcedid", "course_offering_sourcedid")
"""Canvas sends only the second one."""
LONGEST_CUSTOM, LONGEST_LOCALE = 2_000, 35
MOST_DATA, MOST_NESTED = 16_000, 100


def launch_of(claims: Claims, registration: LtiRegistration, login: LoginState) -> Launch:
    """The launch of these verified claims, for the login that it belongs to.

    Raises:
        LtiRefused: with a code of its own for each thing that is missing or wrong.
    """
    message = _message(claims)
    deployment = _deployment(claims, registration, login)
    return Launch(
        issuer=registration.issuer,
        client_id=registration.client_id,
        deployment_id=deployment,
        centre=registration.centre,
        message=message,
        target=_target(claims, login),
        person=_person(claims),
        roles=_roles(claims),
        context=_context(claims),
        resource_link=_resource_link(claims, message),
        grading=_grading(claims),
        memberships=_memberships(claims),
        custom=optional_parts.custom(claims, vocabulary.CUSTOM, LONGEST_CUSTOM),
        selection=_selection(claims, message),
        return_address=_return_address(claims),
        locale=_locale(claims),
    )


def _message(claims: Claims) -> MessageType:
    kind = json_parts.label(claims, vocabulary.MESSAGE_TYPE, "message-type-invalid")
    if not kind:
        raise LtiRefused("message-type-missing", "The launch does not name its message type.")
    if kind not in (MessageType.RESOURCE_LINK, MessageType.DEEP_LINKING):
        raise LtiRefused("message-type-unknown", "The bridge does not accept this kind of launch.")
    version = claims.get(vocabulary.LTI_VERSION)
    if version is None:
        raise LtiRefused("version-missing", "The launch does not name its version of LTI.")
    if version != vocabulary.VERSION:
        raise LtiRefused("version-unknown", "The launch is of a version of LTI other than 1.3.0.")
    return MessageType(kind)


def _deployment(claims: Claims, registration: LtiRegistration, login: LoginState) -> str:
    found = json_parts.label(claims, vocabulary.DEPLOYMENT_ID, "deployment-invalid")
    if not found:
        raise LtiRefused("deployment-missing", "The launch names no deployment.")
    if not login.is_from(found):
        raise LtiRefused(
            "deployment-changed", "The launch names another deployment than its login did."
        )
    if not registration.accepts_deployment(found):
        raise DeploymentUnknown(registration.id, found)
    return found


def _target(claims: Claims, login: LoginState) -> str:
    """The same as that of the login (LTI Core 1.3, section 5.3.4)."""
    target = json_parts.address(claims, vocabulary.TARGET_LINK_URI, "target-invalid")
    if not target:
        raise LtiRefused("target-missing", "The launch does not name the page to open.")
    if not login.is_for(target):
        raise LtiRefused("target-changed", "The launch names another page than its login did.")
    return target


def _person(claims: Claims) -> LaunchingPerson:
    subject = json_parts.label(claims, "sub", "person-invalid")
    if not subject.strip():
        raise LtiRefused("person-missing", "The launch does not say who launches.")
    lis = optional_parts.section(claims, vocabulary.LIS)
    return LaunchingPerson(
        id=subject,
        name=optional_parts.shown_text(claims, "name"),
        given_name=optional_parts.shown_text(claims, "given_name"),
        family_name=optional_parts.shown_text(claims, "family_name"),
        email=optional_parts.shown_text(claims, "email"),
        stable_id=optional_parts.shown_text(lis, "person_sourcedid"),
    )


def _roles(claims: Claims) -> tuple[str, ...]:
    given = claims.get(vocabulary.ROLES)
    if given is None:
        raise LtiRefused("roles-missing", "The launch names no roles.")
    roles = names_of(given)
    if roles is None:
        raise LtiRefused("roles-invalid", "The roles of the launch are not a list.")
    return tuple(dict.fromkeys(roles))


def _context(claims: Claims) -> CourseContext | None:
    """A course that has no usable id counts as none."""
    found = optional_parts.section(claims, vocabulary.CONTEXT)
    identity = optional_parts.label(found, "id")
    if not identity:
        return None
    lis = optional_parts.section(claims, vocabulary.LIS)
    return CourseContext(
        id=identity,
        label=optional_parts.shown_text(found, "label"),
        title=optional_parts.shown_text(found, "title"),
        codes=tuple(optional_parts.shown_text(lis, name) for name in _REGISTERED),
    )


def _resource_link(claims: Claims, message: MessageType) -> ResourceLink | None:
    if message is not MessageType.RESOURCE_LINK:
        return None
    found = json_parts.section(claims, vocabulary.RESOURCE_LINK, "resource-link-invalid")
    if not found:
        raise LtiRefused("resource-link-missing", "The launch does not name the clicked link.")
    identity = json_parts.label(found, "id", "resource-link-invalid")
    if not identity:
        raise LtiRefused("resource-link-id-missing", "The clicked link has no id.")
    return ResourceLink(identity)


def _grading(claims: Claims) -> Grading | None:
    found = optional_parts.section(claims, vocabulary.AGS_ENDPOINT)
    if not found:
        return None
    return Grading(
        line_items=optional_parts.address(found, "lineitems"),
        line_item=optional_parts.address(found, "lineitem"),
        scopes=frozenset(optional_parts.texts(found, "scope")),
    )


def _memberships(claims: Claims) -> str:
    found = optional_parts.section(claims, vocabulary.NRPS_SERVICE)
    return optional_parts.address(found, "context_memberships_url")


def _selection(claims: Claims, message: MessageType) -> Selection | None:
    if message is not MessageType.DEEP_LINKING:
        return None
    found = json_parts.section(claims, vocabulary.DEEP_LINKING_SETTINGS, "deep-linking-invalid")
    if not found:
        raise LtiRefused("deep-linking-missing", "The request for links has no settings.")
    back = json_parts.address(found, "deep_link_return_url", "link-return-address-invalid")
    if not back:
        raise LtiRefused(
            "link-return-address-missing", "The request for links does not say where to send them."
        )
    if "ltiResourceLink" not in optional_parts.texts(found, "accept_types"):
        raise LtiRefused("link-types-unknown", "The platform does not accept LTI links here.")
    targets = optional_parts.texts(found, "accept_presentation_document_targets")
    if not targets:
        raise LtiRefused("link-targets-missing", "The platform does not say how it shows links.")
    return Selection(
        return_address=back,
        several=json_parts.flag(found, "accept_multiple", missing=True),
        line_items=json_parts.flag(found, "accept_lineitem", missing=True),
        targets=tuple(target for target in targets if target not in _NOT_TARGETS),
        data=_data(found),
    )


def _data(found: Claims) -> object:
    """Opaque to the tool, and to be returned as it is (Deep Linking 2.0, section 4.4.1), whatever
    kind of value it is. One that cannot be returned is refused."""
    value = found.get("data")
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    nested = 0 if isinstance(value, str) else text.count("[") + text.count("{")
    if len(text) > MOST_DATA or nested > MOST_NESTED:
        raise LtiRefused("link-data-invalid", "The data of the request for links is too large.")
    return value


def _presentation(claims: Claims) -> Claims:
    return optional_parts.section(claims, vocabulary.LAUNCH_PRESENTATION)


def _return_address(claims: Claims) -> str:
    """Only for show and the way back."""
    return optional_parts.address(_presentation(claims), "return_url")


def _locale(claims: Claims) -> str:
    """Of the page that opens, else of the person (OpenID Connect Core, section 5.1)."""
    shown = optional_parts.label(_presentation(claims), "locale", LONGEST_LOCALE)
    return shown or optional_parts.label(claims, "locale", LONGEST_LOCALE)
