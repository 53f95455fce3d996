"""What the bridge tells a platform about itself: messages, placements, scopes, parameters.

Sources: LTI Dynamic Registration 1.0, section 3.4; Canvas' and Moodle's documentation of what they
take from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lms_bridge.lti import vocabulary
from lms_bridge.lti.tool.launch import Message
from lms_bridge.lti.tool.tool import ICON_PATH, JWKS_PATH, LAUNCH_PATH, LOGIN_PATH

NAME = "ITU Academy courses"
DESCRIPTION = "Courses of the ITU Academy and its training centres, opened from here."
CLAIMS = ("iss", "sub", "name", "given_name", "family_name", "email")
CUSTOM = {
    "person_sourcedid": "$Person.sourcedId",
    "course_sourcedid": "$CourseSection.sourcedId",
    "time_zone": "$Person.address.timezone",
}
"""Custom parameters, each asked for where the platform knows its variable."""
_CANVAS = "https://canvas.instructure.com/lti"
PLACEMENTS = ("ContentArea",)
CANVAS_PLACEMENTS = ("ContentArea", f"{_CANVAS}/assignment_selection", f"{_CANVAS}/link_selection")


def registration(address: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The registration that is posted to a platform of that configuration."""
    launch = address + LAUNCH_PATH
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["client_credentials", "implicit"],
        "initiate_login_uri": address + LOGIN_PATH,
        "redirect_uris": [launch],
        "client_name": NAME,
        "client_uri": address,
        "jwks_uri": address + JWKS_PATH,
        "logo_uri": address + ICON_PATH,
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(_scopes(configuration)),
        vocabulary.TOOL_CONFIGURATION: {
            "domain": urlsplit(address).netloc,
            "description": DESCRIPTION,
            "target_link_uri": launch,
            "custom_parameters": _custom(configuration),
            "claims": list(CLAIMS),
            "messages": [
                {"type": Message.RESOURCE_LINK, "target_link_uri": launch, "label": NAME},
                {
                    "type": Message.DEEP_LINKING,
                    "target_link_uri": launch,
                    "label": NAME,
                    "placements": list(_placements(configuration)),
                },
            ],
        },
    }


def _platform(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    found = configuration.get(vocabulary.PLATFORM_CONFIGURATION)
    return found if isinstance(found, dict) else {}


def _scopes(configuration: Mapping[str, Any]) -> list[str]:
    """Those that the platform knows; all of them where it does not say."""
    known = configuration.get("scopes_supported")
    if not isinstance(known, list) or not known:
        return list(vocabulary.SCOPES)
    return [scope for scope in vocabulary.SCOPES if scope in known]


def _custom(configuration: Mapping[str, Any]) -> dict[str, str]:
    """A variable that is not known would come back as its own name."""
    known = _platform(configuration).get("variables")
    if not isinstance(known, list):
        return {}
    return {name: variable for name, variable in CUSTOM.items() if variable[1:] in known}


def _placements(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    family = _platform(configuration).get("product_family_code")
    return CANVAS_PLACEMENTS if family == "canvas" else PLACEMENTS
