"""Signatures of messages: HMAC-SHA256 over id, time and body.

Source: Standard Webhooks specification 1.0, sections "Webhook metadata" and "Signature scheme".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping

from lms_bridge.domain.errors import Refused

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_SECONDS = 300
"""How far the time of a message may be from ours."""
_MARK = "whsec_"
_SECRET_BYTES = 32
_LEAST_BYTES = 24
_NAME = re.compile(r"[\x21-\x7e]{1,255}")


def new_secret() -> str:
    return _MARK + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for.

    Raises:
        ValueError: it is not base64 of 24 bytes at least.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_MARK), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if len(key) < _LEAST_BYTES:
        raise ValueError("too short")
    return key


def signed_headers(
    secrets_: Iterable[str], message: str, seconds: int, body: bytes
) -> dict[str, str]:
    """The headers of a message that is sent at a time, in seconds since 1970. It has a signature
    by each secret: while one takes the place of another, a receiver may know either."""
    signatures = (_signature(key_of(each), message, str(seconds), body) for each in secrets_)
    return {
        ID: message,
        TIMESTAMP: str(seconds),
        SIGNATURE: " ".join(f"v1,{each}" for each in signatures),
    }


def _signature(key: bytes, message: str, seconds: str, body: bytes) -> str:
    signed = f"{message}.{seconds}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def verified_id(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The id of a message whose signature is good; ``now`` in seconds since 1970.

    Raises:
        Refused: a header is missing, the time is off, or no signature is that of the body.
    """
    message, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not (_NAME.fullmatch(message) and seconds.isascii() and seconds.isdecimal()):
        raise _refused("The headers of the signature are missing or cannot be read.")
    if len(seconds) > len(str(int(now))) or abs(int(seconds) - now) > TOLERANCE_SECONDS:
        raise _refused("The message is too old, or its sender's clock is wrong.")
    good = f"v1,{_signature(key_of(secret), message, seconds, body)}".encode()
    given = [each.encode() for each in headers.get(SIGNATURE, "").split(" ")]
    if not any(hmac.compare_digest(good, each) for each in given):
        raise _refused("The signature is not that of the message.")
    return message


def _refused(message: str) -> Refused:
    return Refused(
        "signature-refused", message, "Sign id, time and body with the secret that both sides have."
    )
