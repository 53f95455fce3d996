"""Calls of the platform's services, with an access token for each.

Sources: Security Framework 1.1, section 4; Assignment and Grade Services 2.0; Names and Role
Provisioning Services 2.0.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from lms_bridge.devtools.lti import names
from lms_bridge.devtools.lti.site import NotAccepted, called, json_of, now
from lms_bridge.devtools.lti.tool_state import Landing, RegisteredPlatform, ToolState

MOST_PAGES = 50
ASSERTION_SECONDS = 60


def send_score(tool: ToolState, landing: Landing, percentage: int) -> None:
    """Sends a score of the person who landed. Raises NotAccepted."""
    item = landing.line_item or _new_line_item(tool, landing)
    parts = urlsplit(item)
    address = urlunsplit(parts._replace(path=f"{parts.path}/scores"))
    body = {
        "userId": landing.person,
        "scoreGiven": percentage,
        "scoreMaximum": 100,
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    _call(tool, landing.platform, "POST", address, names.SCORE_SCOPE, names.SCORE_TYPE, body)


def _new_line_item(tool: ToolState, landing: Landing) -> str:
    if not landing.line_items:
        raise NotAccepted("The platform takes no scores for this course.", 409)
    body = {"label": landing.link_title or "Result", "scoreMaximum": 100, "tag": "sample"}
    made = _call(
        tool,
        landing.platform,
        "POST",
        landing.line_items,
        names.LINE_ITEM_SCOPE,
        names.LINE_ITEM_TYPE,
        body,
    )
    return str(json_of(made)["id"])


def course_members(tool: ToolState, landing: Landing) -> list[dict[str, Any]]:
    """All members of the course, page by page. Raises NotAccepted."""
    if not landing.members:
        raise NotAccepted("The platform does not tell who is in this course.", 409)
    address, found = landing.members, []
    for _ in range(MOST_PAGES):
        answer = _call(tool, landing.platform, "GET", address, names.MEMBERS_SCOPE)
        found += json_of(answer)["members"]
        address = answer.links.get("next", {}).get("url", "")
        if not address:
            return found
    raise NotAccepted("The list of members has no end.", 502)


def _call(
    tool: ToolState,
    platform: RegisteredPlatform,
    method: str,
    address: str,
    scope: str,
    content_type: str = "",
    body: object = None,
) -> requests.Response:
    headers = {"Authorization": f"Bearer {_token(tool, platform, scope)}"}
    if content_type:
        headers["Content-Type"] = content_type
    return called(tool.session, method, address, headers=headers, json=body)


def _token(tool: ToolState, platform: RegisteredPlatform, scope: str) -> str:
    at = now()
    assertion = tool.signer.sign(
        {
            "iss": platform.client_id,
            "sub": platform.client_id,
            "aud": platform.token_address,
            "iat": at,
            "exp": at + ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(16),
        }
    )
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": names.ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": scope,
    }
    answer = json_of(called(tool.session, "POST", platform.token_address, data=form))
    return str(answer["access_token"])
