"""The second factor: codes that change every thirty seconds (RFC 6238)."""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp

PERIOD = 30
DIGITS = 6
ISSUER = "LMS bridge"


def new_secret() -> str:
    return pyotp.random_base32()


def address_of(secret: str, email: str, host: str) -> str:
    """The ``otpauth:`` address that an authenticator app takes."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=f"{ISSUER} {host}".strip())


def period_of(secret: str, code: str, now: datetime, used: int) -> int | None:
    """The period that a code is good for; None where it is good for none.

    The periods before and after this one count, because clocks differ (RFC 6238, section 5.2).
    Periods up to ``used`` do not: no code is good twice.
    """
    bare = code.replace(" ", "")
    if not (len(bare) == DIGITS and bare.isascii() and bare.isdigit()):
        return None
    totp, this = pyotp.TOTP(secret, interval=PERIOD), int(now.timestamp()) // PERIOD
    for period in (this, this - 1, this + 1):
        if period > used and hmac.compare_digest(totp.generate_otp(period), bare):
            return period
    return None
