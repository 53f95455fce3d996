"""Refusals of launches, tokens and service calls.

Every refusal has a stable code, which docs/lti.md explains, and a message for the person who sees
it. Messages are whole English sentences, so that translations find them. Neither holds any part of
a token, or a person's name or address.
"""

from __future__ import annotations

from datetime import datetime

from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Offering


class LtiRefused(Refused):
    """A message of another system that the bridge does not accept.

    ``status`` is the HTTP status that fits. ``detail`` is for the log alone: a claim's name, an
    error's code, never a value that was sent. ``offering`` is what it is about, where a learner
    meets it, and ``opens`` or ``closed`` the time that counts, where it is one. ``connection`` is
    the number of the one that the message named, and ``back`` the page where the person came from.
    ``silent_since`` is since when an LMS does not answer, and ``onward`` where a form leads that
    goes there anyway; None: nothing does. ``after`` is in how many seconds the same message may be
    accepted; 0: it will not be.
    """

    offering: Offering | None = None
    opens: datetime | None = None
    closed: datetime | None = None
    silent_since: datetime | None = None
    onward: str | None = None
    connection: int = 0
    back: str = ""

    def __init__(
        self,
        code: str,
        message: str = "",
        remedy: str = "",
        *,
        detail: str = "",
        status: int = 400,
        after: int = 0,
    ) -> None:
        super().__init__(code, message or MESSAGES.get(code, _ELSE), remedy)
        self.detail = detail
        self.status = status
        self.after = after

    @property
    def headers(self) -> dict[str, str]:
        """Of the response to a request that is refused."""
        return {"Retry-After": str(self.after)} if self.after else {}

    @property
    def operator_code(self) -> str:
        """What a person reads out to the operator, such as ``LTI/token-expired``."""
        return f"LTI/{self.code}" + (f" ({self.detail})" if self.detail else "")


class DeploymentUnknown(LtiRefused):
    """A platform's signed message names a deployment that nobody accepted yet."""

    def __init__(self, registration_id: int, deployment_id: str) -> None:
        super().__init__(
            "deployment-unknown",
            "The launch comes from a deployment that is not accepted yet.",
            "The operator of the bridge sees it on the connection's page, and can accept it.",
            status=403,
        )
        self.registration_id, self.deployment_id = registration_id, deployment_id


_ELSE = "The other system sent a message that cannot be accepted."

MESSAGES: dict[str, str] = {
    # lti/jwt.py
    "token-missing": "The other system sent no signed message.",
    "token-too-large": "The signed message is too large.",
    "token-malformed": "The signed message is not a token that can be read.",
    "token-algorithm": "The message is not signed with RS256, the only algorithm accepted.",
    "token-critical": "The message asks for an extension of the token format that is not known.",
    "token-key-unnamed": "The message does not say which key it is signed with.",
    "token-key-unknown": "The message is signed with a key that its sender does not publish.",
    "token-signature": "The signature of the message is not valid.",
    "token-claims": "The message has a part of the wrong kind.",
    "token-issuer": "The message comes from another sender than expected.",
    "token-audience": "The message is meant for somebody else.",
    "token-authorized-party": "The message was made for another receiver among several.",
    "token-expires-never": "The message does not say until when it is valid.",
    "token-expired": "The message has expired. Please start again.",
    "token-lives-too-long": "The message would be valid for far too long.",
    "token-undated": "The message does not say when it was made.",
    "token-from-the-future": "The message is dated in the future: a clock is wrong.",
    "token-not-yet-valid": "The message is not valid yet: a clock is wrong.",
    # lti/key_sets.py
    "keys-awaited": "The other system's published keys are still being fetched.",
    "keys-unreachable": "The other system's published keys cannot be fetched at the moment.",
    "keys-not-understood": "The other system's published keys cannot be read.",
    "keys-unset": "The other system has named no address for its keys.",
    # lti/outside_waits.py
    "outside-busy": "Too many requests are waiting for other systems at the moment.",
}
"""The messages of codes that more than one place uses."""
