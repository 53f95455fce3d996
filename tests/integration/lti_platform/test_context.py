"""Both sides of LTI share one context: keys, nonces, and key sets of other systems."""

from __future__ import annotations

import pytest

from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.http_requests import the_lti
from lms_bridge.lti.tool.frame import the_tool
from lms_bridge.server.app import create_app
from tests.integration.lti_platform.world import make_bridge


def test_both_sides_share_the_context_of_the_bridge(sqlite_address: str) -> None:
    bridge = make_bridge(sqlite_address, "http://127.0.0.1:1")
    with create_app(bridge).app_context():
        assert the_lti() is lti_of(bridge).context
        assert the_tool().lti is lti_of(bridge).context
    bridge.close()


def test_a_closed_bridge_has_closed_its_context(
    sqlite_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = make_bridge(sqlite_address, "http://127.0.0.1:1")
    closed: list[str] = []
    monkeypatch.setattr(
        type(lti_of(bridge).context.keysets), "close", lambda self: closed.append("keysets")
    )
    bridge.close()
    assert closed == ["keysets"]
