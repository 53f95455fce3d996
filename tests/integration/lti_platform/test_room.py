"""Both sides of LTI share one room: its keys, its one-time records, the others' key sets."""

from __future__ import annotations

import pytest

from lms_bridge.web.app import create_app
from lms_bridge.web.lti_platform.parts import the_room
from lms_bridge.web.lti_tool.hosting import the_tool
from tests.integration.lti_platform.world import make_bridge


def test_both_sides_stand_on_the_bridges_room(sqlite_address: str) -> None:
    bridge = make_bridge(sqlite_address, "http://127.0.0.1:1")
    with create_app(bridge).app_context():
        assert the_room() is bridge.room
        assert the_tool().room is bridge.room
    bridge.close()


def test_a_closed_bridge_has_closed_its_room(
    sqlite_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = make_bridge(sqlite_address, "http://127.0.0.1:1")
    closed: list[str] = []
    monkeypatch.setattr(type(bridge.room.keysets), "close", lambda self: closed.append("keysets"))
    bridge.close()
    assert closed == ["keysets"]
