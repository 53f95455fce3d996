"""Where the platform's endpoints are, below the bridge's public address."""

from __future__ import annotations

AUTHENTICATION = "/lti/authentication"
TOKEN = "/lti/token"  # noqa: S105 (an address)
KEYS = "/lti/keys"
REGISTRATION = "/lti/registration"
DEEP_LINKING = "/lti/deep-linking"
LAUNCH = "/lti/launch"
CONFIGURATION = "/.well-known/openid-configuration"
SERVICES = "/lti/services"


def context(address: str, offering_id: int) -> str:
    return f"{address}{SERVICES}/{offering_id}"


def memberships(address: str, offering_id: int) -> str:
    return f"{context(address, offering_id)}/memberships"


def line_items(address: str, offering_id: int) -> str:
    return f"{context(address, offering_id)}/lineitems"


def line_item(address: str, offering_id: int, line_item_id: int) -> str:
    return f"{line_items(address, offering_id)}/{line_item_id}"
