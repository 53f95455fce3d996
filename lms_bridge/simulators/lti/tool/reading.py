"""From verified claims to a landing. Sources: LTI Core 1.3, section 5; Deep Linking 2.0, 2.1.2."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from lms_bridge.simulators.lti import names
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.signing import Claims
from lms_bridge.simulators.lti.tool.state import Landing, Platform

RESOURCE = "resource"
"""The parameter of a target's address that names one of the tool's resources."""


def landing_of(platform: Platform, claims: Claims) -> Landing:
    """Raises NotAccepted for a message that is not whole."""
    kind = claims.get(names.MESSAGE_TYPE)
    if kind not in (names.RESOURCE_LINK_REQUEST, names.DEEP_LINKING_REQUEST):
        raise NotAccepted("The message is of a kind that is not known here.")
    if not isinstance(claims.get("sub"), str):
        raise NotAccepted("The message does not say who launches.")
    link = _part(claims, names.RESOURCE_LINK)
    if kind == names.RESOURCE_LINK_REQUEST and not link.get("id"):
        raise NotAccepted("The message does not say what was clicked.")
    linking = _part(claims, names.LINKING_SETTINGS)
    if kind == names.DEEP_LINKING_REQUEST and not linking.get("deep_link_return_url"):
        raise NotAccepted("The message does not say where chosen content goes.")
    roles = claims.get(names.ROLES)
    if not isinstance(roles, list):
        raise NotAccepted("The message names no roles.")
    course, grading = _part(claims, names.CONTEXT), _part(claims, names.GRADING)
    back = _part(claims, names.PRESENTATION).get("return_url", "")
    target = parse_qs(urlsplit(str(claims[names.TARGET])).query)
    return Landing(
        platform,
        person=claims["sub"],
        name=str(claims.get("name") or ""),
        roles=tuple(str(role) for role in roles),
        course=str(course.get("id") or ""),
        course_title=str(course.get("title") or ""),
        link_title=str(link.get("title") or ""),
        resource=target.get(RESOURCE, [""])[0],
        custom={str(name): str(text) for name, text in _part(claims, names.CUSTOM).items()},
        line_items=str(grading.get("lineitems") or ""),
        line_item=str(grading.get("lineitem") or ""),
        members=str(_part(claims, names.MEMBERSHIPS).get("context_memberships_url") or ""),
        return_address=str(linking.get("deep_link_return_url") or back or ""),
        return_data=str(linking.get("data") or "") if linking else None,
    )


def _part(claims: Claims, name: str) -> dict[str, Any]:
    found = claims.get(name)
    return found if isinstance(found, dict) else {}
