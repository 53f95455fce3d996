"""Launches that are genuine and odd: nothing breaks, and nothing odd is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.lti_chain.chain import Chain
from tests.peers.platform import AGS, LTI, NRPS

ENDPOINT, CONTEXT = f"{AGS}claim/endpoint", f"{LTI}context"
LONG = "x" * 3000


def _set(claim: str, name: str, value: object) -> Any:
    def change(claims: dict[str, Any]) -> None:
        claims.setdefault(claim, {})[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (_set(ENDPOINT, "lineitem", f"https://lms.example.org/{LONG}"), 303),
        (_set(ENDPOINT, "lineitems", f"https://lms.example.org/{LONG}"), 303),
        (_set(ENDPOINT, "lineitem", "javascript:alert(1)"), 303),
        (_set(ENDPOINT, "scope", []), 303),
        (_set(CONTEXT, "title", LONG), 303),
        (_set(CONTEXT, "title", "<script>alert(1)</script>"), 303),
        (_set(CONTEXT, "id", LONG), 303),
        (
            _set(f"{NRPS}claim/namesroleservice", "context_memberships_url", f"https://a/{LONG}"),
            303,
        ),
        (_set(f"{LTI}custom", "offering", "OFF-1\x00"), "link-without-offering"),
        (_set(f"{LTI}custom", "offering", LONG), "link-without-offering"),
        (_set(f"{LTI}custom", "offering", "' or 1=1 --"), "link-without-offering"),
        (_set(f"{LTI}launch_presentation", "return_url", "javascript:alert(1)"), 303),
        (lambda claims: claims.update(sub="acad-1 "), "person-unknown"),
        (lambda claims: claims.update(sub="ACAD-1"), "person-unknown"),
        (lambda claims: claims.update(sub="acad-1\x00"), "person-invalid"),
        (lambda claims: claims.update(sub=LONG), "person-invalid"),
    ],
)
def test_an_odd_launch_breaks_nothing_and_keeps_nothing_odd(
    either_chain: Chain, change: Any, outcome: int | str
) -> None:
    page = either_chain.click(change=change)
    assert page.status < 500
    if outcome == 303:
        claims = either_chain.arrive(page)
        assert claims["sub"] == "acad-1"
        assert "javascript" not in str(claims)
        (origin,) = either_chain.launch_origins()
        assert len(origin.line_item) <= 2000
        assert len(origin.line_items) <= 2000
    else:
        assert page.code == outcome
        assert either_chain.launch_origins() == []


def test_a_link_of_somebody_else_opens_nothing(chain: Chain) -> None:
    """A launch link, or a hint, of somebody else opens nothing."""
    address = chain.world.address
    assert chain.browser.post(f"{address}/lti/launch/guessed", {}).code == "launch-link-gone"
    request = chain.request_of(chain.click())
    for name in ("login_hint", "lti_message_hint"):
        answer = chain.browser.post(f"{address}/lti/authentication", {**request, name: "guessed"})
        assert (answer.status, answer.code) in (
            (400, "auth-login-gone"),
            (400, "auth-message-hint"),
        )
    own = chain.browser.post(f"{address}/lti/authentication", request)
    assert own.status == 200
