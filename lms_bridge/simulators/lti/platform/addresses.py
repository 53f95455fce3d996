"""Where the platform's endpoints are. Line items have a query, as those of many platforms."""

from __future__ import annotations

from lms_bridge.simulators.lti.platform.state import LineItem, PlatformState

AUTHENTICATION = "/authentication"
TOKEN = "/token"  # noqa: S105  # an address
KEYS = "/keys"
QUERY = "type=lti"


def members(platform: PlatformState, course: str) -> str:
    return f"{platform.address}/services/{course}/members"


def line_items(platform: PlatformState, course: str) -> str:
    return f"{platform.address}/services/{course}/items?{QUERY}"


def line_item(platform: PlatformState, item: LineItem) -> str:
    return f"{platform.address}/services/{item.course}/items/{item.id}?{QUERY}"
