"""Verified claims come from the verifier alone, and only from good tokens."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from lms_bridge.lti.errors import MESSAGES, LtiRefused
from lms_bridge.lti.jwt import VerifiedClaims, unverified_claims, verify

KEY = RSAKey.generate_key(2048)
NOW = 1_800_000_000
GOOD = {"iss": "them", "aud": "us", "iat": NOW, "exp": NOW + 60, "sub": "a person"}


class Keys:
    def key(self, kid: str) -> RSAKey | None:
        return KEY if kid == "k" else None

    def newer_key(self, kid: str, old: RSAKey) -> RSAKey | None:
        return None


def token(**changed: Any) -> str:
    claims = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return jws.serialize_compact({"alg": "RS256", "kid": "k"}, orjson.dumps(claims), KEY)


def checked(sent: str, **options: Any) -> VerifiedClaims:
    now = datetime.fromtimestamp(NOW, UTC)
    given = {"issuer": "them", "audience": "us", "leeway": 10.0, "now": now, **options}
    return verify(sent, Keys(), **given)


def code(sent: str, **options: Any) -> str:
    with pytest.raises(LtiRefused) as caught:
        checked(sent, **options)
    assert caught.value.code in MESSAGES
    assert "person" not in str(caught.value)
    return caught.value.code


def test_a_valid_token_returns_verified_claims() -> None:
    claims = checked(token())
    assert dict(claims) == GOOD
    assert claims.header["kid"] == "k"
    assert "a person" not in repr(claims)


def test_only_the_verifier_makes_verified_claims() -> None:
    with pytest.raises(TypeError):
        VerifiedClaims(object(), {}, GOOD)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"aud": ["us"]}, ""),
        ({"aud": ["us", "us"]}, ""),
        ({"aud": ["us", "others"], "azp": "us"}, ""),
        ({"aud": ["us", "others"]}, ""),
        ({"aud": ["others"]}, "token-audience"),
        ({"aud": ["us", 5]}, "token-claims"),
        ({"aud": "others"}, "token-audience"),
        ({"aud": None}, "token-audience"),
        ({"iss": "others"}, "token-issuer"),
        ({"iss": None}, "token-issuer"),
        ({"exp": NOW - 9}, ""),
        ({"exp": NOW - 10}, "token-expired"),
        ({"exp": NOW + 86_401}, "token-lives-too-long"),
        ({"iat": NOW + 10}, ""),
        ({"iat": NOW + 11}, "token-from-the-future"),
        ({"iat": float(NOW)}, ""),
        ({"nbf": NOW + 10}, ""),
        ({"nbf": NOW + 11}, "token-not-yet-valid"),
        ({"exp": True}, "token-claims"),
        ({"exp": f"{NOW}"}, "token-claims"),
    ],
)
def test_wrong_claims_are_refused(changed: dict[str, Any], expected: str) -> None:
    if expected:
        assert code(token(**changed)) == expected
    else:
        checked(token(**changed))


def with_header(header: object) -> str:
    """A token whose header is any JSON value, and whose signature fits it."""
    parts = [urlsafe_b64encode(orjson.dumps(each)).rstrip(b"=") for each in (header, GOOD)]
    text = b".".join(parts)
    signature = KEY.private_key.sign(text, PKCS1v15(), SHA256()) if KEY.private_key else b""
    return (text + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_a_header_with_unknown_parameters_is_accepted() -> None:
    checked(with_header({"alg": "RS256", "kid": "k", "x5c": ["A" * 4000], "own": {"a": 1}}))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"alg": "RS256", "kid": "k", "crit": ["kid"]}, "token-critical"),
        ({"alg": "RS256", "kid": "k", "b64": True}, "token-critical"),
        ({"alg": "RS256", "kid": "k", "b64": False}, "token-critical"),
        ({"alg": "RS256", "kid": "k", "b64": False, "crit": ["b64"]}, "token-critical"),
        ({"kid": "k"}, "token-algorithm"),
        ({"alg": "RS512", "kid": "k"}, "token-algorithm"),
        ({"alg": "none", "kid": "k"}, "token-algorithm"),
        ({"alg": ["RS256"], "kid": "k"}, "token-algorithm"),
        ({"alg": "RS256"}, "token-key-unnamed"),
        ({"alg": "RS256", "kid": 5}, "token-key-unnamed"),
        ({"alg": "RS256", "kid": "other"}, "token-key-unknown"),
        ([], "token-malformed"),
        (["alg"], "token-malformed"),
        ("alg", "token-malformed"),
        (5, "token-malformed"),
    ],
)
def test_a_wrong_header_is_refused(header: object, expected: str) -> None:
    assert code(with_header(header)) == expected


def test_a_deeply_nested_header_is_refused() -> None:
    nested = urlsafe_b64encode(b"[" * 20_000).rstrip(b"=").decode()
    assert code(f"{nested}.e30.AA") == "token-malformed"


def test_one_of_several_own_audiences_is_accepted() -> None:
    checked(token(aud="us"), audience={"us", "us too"})


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    assert code(text).startswith("token-")
    with pytest.raises(LtiRefused):
        unverified_claims(text)


@given(
    st.recursive(st.none() | st.booleans() | st.integers(0, 9) | st.text(), st.lists, max_leaves=5)
)
def test_any_value_of_a_claim_is_refused_or_accepted(value: Any) -> None:
    for name in ("iss", "aud", "azp", "exp", "iat", "nbf"):
        with suppress(LtiRefused):
            checked(token(**{name: value}))
