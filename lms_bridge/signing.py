"""Signatures of messages, made and checked by the library of Standard Webhooks 1.0."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

from lms_bridge.domain.errors import Refused

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_SECONDS = 300
"""How far the library lets the time of a message be from ours."""
_SECRET_BYTES = 32
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(
    secrets_: Iterable[str], message: str, seconds: int, body: bytes
) -> dict[str, str]:
    """The headers of a message that is sent at a time, in seconds since 1970. It has a signature
    by each secret: while one takes the place of another, a receiver may know either."""
    at, text = datetime.fromtimestamp(seconds, UTC), body.decode()
    signatures = [Webhook(each).sign(message, at, text) for each in secrets_]
    return {ID: message, TIMESTAMP: str(seconds), SIGNATURE: " ".join(signatures)}


def verified_id(secret: str, headers: Mapping[str, str], body: bytes) -> str:
    """The id of a message whose signature is good.

    Raises:
        Refused: a header is missing, the time is off, or no signature is that of the body.
    """
    message, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not (_ID.fullmatch(message) and _SECONDS.fullmatch(seconds)):
        raise _refused("The headers of the signature are missing or cannot be read.")
    # The library fails at the first signature that it cannot read, and looks at no other.
    given = headers.get(SIGNATURE, "").split(" ")
    readable = " ".join(each for each in given if _SIGNATURE.fullmatch(each))
    signed = {ID: message, TIMESTAMP: seconds, SIGNATURE: readable}
    try:
        Webhook(secret).verify(body, signed, json_parse=False)
    except WebhookVerificationError as error:
        raise _refused(f"{error}.") from None
    except UnicodeDecodeError:
        raise _refused("The body is not text in UTF-8.") from None
    return message


def _refused(message: str) -> Refused:
    return Refused(
        "signature-refused", message, "Sign id, time and body with the secret that both sides have."
    )
