"""What an administrator enters on their side where dynamic registration is not possible.

The labels are those of Moodle, which most centres have; other systems use much the same words.
"""

from __future__ import annotations

from collections.abc import Sequence

from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.tool.tool import JWKS_PATH, LAUNCH_PATH, LOGIN_PATH

Values = list[tuple[str, str]]
"""(label, value), in the order in which they are asked for."""


def for_a_tool(address: str, client_id: str, deployment_ids: Sequence[str]) -> Values:
    """What a tool has to know of the bridge, its platform at this public address."""
    return [
        ("Platform ID (issuer)", address),
        ("Client ID", client_id),
        ("Deployment ID", ", ".join(deployment_ids)),
        ("Public keyset URL", address + endpoints.KEYS),
        ("Access token URL", address + endpoints.TOKEN),
        ("Authentication request URL", address + endpoints.AUTHENTICATION),
    ]


def for_a_platform(address: str) -> Values:
    """What a platform has to know of the bridge, its tool at this public address."""
    return [
        ("Tool URL", address + LAUNCH_PATH),
        ("Initiate login URL", address + LOGIN_PATH),
        ("Redirection URI", address + LAUNCH_PATH),
        ("Public keyset URL", address + JWKS_PATH),
        ("Content selection URL (deep linking)", address + LAUNCH_PATH),
    ]
