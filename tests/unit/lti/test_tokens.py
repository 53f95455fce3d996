"""Verified claims come from the verifier alone, and only from good tokens."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from lms_bridge.lti.errors import MESSAGES, LtiRefused
from lms_bridge.lti.tokens import VerifiedClaims, unverified_claims, verify

KEY = RSAKey.generate_key(2048)
NOW = 1_800_000_000
GOOD = {"iss": "them", "aud": "us", "iat": NOW, "exp": NOW + 60, "sub": "a person"}


class Keys:
    def key(self, kid: str) -> RSAKey | None:
        return KEY if kid == "k" else None


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


def test_a_good_token() -> None:
    claims = checked(token())
    assert dict(claims) == GOOD
    assert claims.header["kid"] == "k"
    assert "a person" not in repr(claims)


def test_nobody_else_makes_verified_claims() -> None:
    with pytest.raises(TypeError):
        VerifiedClaims(object(), {}, GOOD)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"aud": ["us"]}, ""),
        ({"aud": ["us", "us"]}, ""),
        ({"aud": ["us", "others"], "azp": "us"}, ""),
        ({"aud": ["us", "others"]}, "token-authorized-party"),
        ({"aud": ["us", "others"], "azp": "others"}, "token-authorized-party"),
        ({"azp": "others"}, "token-authorized-party"),
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
def test_claims(changed: dict[str, Any], expected: str) -> None:
    if expected:
        assert code(token(**changed)) == expected
    else:
        checked(token(**changed))


def test_one_of_several_audiences_of_ours() -> None:
    checked(token(aud="us"), audience={"us", "us too"})


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    assert code(text).startswith("token-")
    with pytest.raises(LtiRefused):
        unverified_claims(text)


@given(
    st.recursive(st.none() | st.booleans() | st.integers(0, 9) | st.text(), st.lists, max_leaves=5)
)
def test_any_value_of_a_claim_is_refused_or_taken(value: Any) -> None:
    for name in ("iss", "aud", "azp", "exp", "iat", "nbf"):
        with suppress(LtiRefused):
            checked(token(**{name: value}))
