"""From verified claims to a ``Launch``: everything that a message must have is checked here.

Sources: LTI Core 1.3, section 5.3 (required claims), Deep Linking 2.0, section 4.4.
"""

from __future__ import annotations

from lms_bridge.lti import vocabulary
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.tool import reading
from lms_bridge.lti.tool.launch import (
    Context,
    Grading,
    Launch,
    Message,
    Person,
    ResourceLink,
    Selection,
)
from lms_bridge.lti.tool.reading import Claims
from lms_bridge.lti.tool.state import LoginState
from lms_bridge.lti.vocabulary import role_uri

_NOT_TARGETS = ("embed",)


def launch_of(claims: Claims, party: Party, login: LoginState) -> Launch:
    """The launch that these verified claims of a platform tell of, in answer to that login.

    Raises:
        LtiRefused: with a code of its own for each thing that is missing or wrong.
    """
    message = _message(claims)
    deployment = _deployment(claims, party, login)
    return Launch(
        issuer=party.issuer,
        client_id=party.client_id,
        deployment_id=deployment,
        centre=party.centre,
        message=message,
        target=_target(claims, login),
        person=_person(claims),
        roles=_roles(claims),
        context=_context(claims),
        resource_link=_resource_link(claims, message),
        grading=_grading(claims),
        memberships=_memberships(claims),
        custom=reading.settings(claims, vocabulary.CUSTOM, "custom"),
        selection=_selection(claims, message),
        return_address=_return_address(claims),
        locale=reading.loose_text(_presentation(claims), "locale")[:35],
    )


def _message(claims: Claims) -> Message:
    kind = reading.text(claims, vocabulary.MESSAGE_TYPE, "message-type")
    if not kind:
        raise LtiRefused("message-type-missing", "The launch does not say what it is.")
    if kind not in (Message.RESOURCE_LINK, Message.DEEP_LINKING):
        raise LtiRefused("message-type-unknown", "The bridge does not take this kind of launch.")
    version = claims.get(vocabulary.LTI_VERSION)
    if version is None:
        raise LtiRefused("version-missing", "The launch does not name its version of LTI.")
    if version != vocabulary.VERSION:
        raise LtiRefused("version-unknown", "The launch is of a version of LTI other than 1.3.0.")
    return Message(kind)


def _deployment(claims: Claims, party: Party, login: LoginState) -> str:
    found = reading.text(claims, vocabulary.DEPLOYMENT_ID, "deployment", 255)
    if not found:
        raise LtiRefused("deployment-missing", "The launch names no deployment.")
    if not login.is_from(found):
        raise LtiRefused(
            "deployment-changed", "The launch names another deployment than its login did."
        )
    if found not in party.deployment_ids:
        raise LtiRefused(
            "deployment-unknown",
            "The launch comes from a deployment that is not registered.",
            "An operator can add its deployment id to the registration.",
        )
    return found


def _target(claims: Claims, login: LoginState) -> str:
    """The same as that of the login (LTI Core 1.3, section 5.3.4)."""
    target = reading.address(claims, vocabulary.TARGET_LINK_URI, "target")
    if not target:
        raise LtiRefused("target-missing", "The launch does not say which page it wants.")
    if not login.wants(target):
        raise LtiRefused("target-changed", "The launch wants another page than its login did.")
    return target


def _person(claims: Claims) -> Person:
    subject = reading.text(claims, "sub", "person", 255)
    if not subject.strip():
        raise LtiRefused("person-missing", "The launch does not say who launches.")
    lis = reading.part(claims, vocabulary.LIS, "lis") or {}
    return Person(
        id=subject,
        name=reading.loose_text(claims, "name"),
        given_name=reading.loose_text(claims, "given_name"),
        family_name=reading.loose_text(claims, "family_name"),
        email=reading.loose_text(claims, "email"),
        stable_id=reading.loose_text(lis, "person_sourcedid"),
    )


def _roles(claims: Claims) -> tuple[str, ...]:
    roles = reading.texts(claims, vocabulary.ROLES, "roles")
    if roles is None:
        raise LtiRefused("roles-missing", "The launch names no roles.")
    return tuple(dict.fromkeys(role_uri(role) for role in roles if role))


def _context(claims: Claims) -> Context | None:
    found = reading.part(claims, vocabulary.CONTEXT, "context")
    if found is None:
        return None
    identity = reading.text(found, "id", "context", 255)
    if not identity:
        raise LtiRefused("context-invalid", "The course of the launch has no id.")
    lis = reading.part(claims, vocabulary.LIS, "lis") or {}
    return Context(
        id=identity,
        label=reading.loose_text(found, "label"),
        title=reading.loose_text(found, "title"),
        types=reading.texts(found, "type", "context") or (),
        section=reading.loose_text(lis, "course_section_sourcedid"),
    )


def _resource_link(claims: Claims, message: Message) -> ResourceLink | None:
    found = reading.part(claims, vocabulary.RESOURCE_LINK, "resource-link")
    if message is not Message.RESOURCE_LINK:
        return None
    if found is None:
        raise LtiRefused("resource-link-missing", "The launch does not say what was clicked.")
    identity = reading.text(found, "id", "resource-link", 255)
    if not identity:
        raise LtiRefused("resource-link-id-missing", "What was clicked has no id.")
    return ResourceLink(
        identity, reading.loose_text(found, "title"), reading.loose_text(found, "description")
    )


def _grading(claims: Claims) -> Grading | None:
    found = reading.part(claims, vocabulary.AGS_ENDPOINT, "grading")
    if found is None:
        return None
    return Grading(
        line_items=reading.address(found, "lineitems", "grading"),
        line_item=reading.address(found, "lineitem", "grading"),
        scopes=frozenset(reading.texts(found, "scope", "grading") or ()),
    )


def _memberships(claims: Claims) -> str:
    found = reading.part(claims, vocabulary.NRPS_SERVICE, "memberships") or {}
    return reading.address(found, "context_memberships_url", "memberships")


def _selection(claims: Claims, message: Message) -> Selection | None:
    if message is not Message.DEEP_LINKING:
        return None
    found = reading.part(claims, vocabulary.DEEP_LINKING_SETTINGS, "deep-linking")
    if found is None:
        raise LtiRefused("deep-linking-missing", "The request for links has no settings.")
    back = reading.address(found, "deep_link_return_url", "link-return-address")
    if not back:
        raise LtiRefused(
            "link-return-address-missing", "The request for links does not say where to send them."
        )
    kinds = reading.texts(found, "accept_types", "link-types")
    if not kinds or "ltiResourceLink" not in kinds:
        raise LtiRefused("link-types-unknown", "The platform does not accept LTI links here.")
    targets = reading.texts(found, "accept_presentation_document_targets", "link-targets")
    if not targets:
        raise LtiRefused("link-targets-missing", "The platform does not say how it shows links.")
    return Selection(
        return_address=back,
        several=reading.flag(found, "accept_multiple", missing=True),
        line_items=reading.flag(found, "accept_lineitem", missing=True),
        targets=tuple(target for target in targets if target not in _NOT_TARGETS),
        data=_data(found),
    )


def _data(found: Claims) -> str | None:
    """Opaque to the tool, and to be returned as it is (Deep Linking 2.0, section 4.4.1)."""
    value = found.get("data")
    if value is not None and (not isinstance(value, str) or len(value) > 16_000):
        raise LtiRefused("link-data-invalid", "The data of the request for links is not a text.")
    return value


def _presentation(claims: Claims) -> Claims:
    return reading.part(claims, vocabulary.LAUNCH_PRESENTATION, "presentation") or {}


def _return_address(claims: Claims) -> str:
    """Only for show and the way back: an unusable one counts as missing."""
    found = reading.loose_text(_presentation(claims), "return_url")
    return found if reading.is_address(found) else ""
