"""Marks of used logins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from lms_bridge.lti.tool import used
from lms_bridge.lti.tool.state import LoginState
from lms_bridge.lti.tool.used import UsedLogins
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import used_login

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _login(nonce: str, seconds: int = 60) -> LoginState:
    return LoginState(nonce, 1, int(NOW.timestamp()) + seconds, "", "", "")


def _marks(database: Database) -> int:
    with database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(used_login)) or 0


def test_used_once(database: Database) -> None:
    logins = UsedLogins(database, lambda: NOW)
    first, second = _login("first"), _login("second")
    assert not logins.was_used(first)
    assert logins.use(first)
    assert logins.was_used(first)
    assert not logins.was_used(second)
    assert not UsedLogins(database, lambda: NOW).use(first)  # another process
    assert logins.use(second)


def test_of_many_at_once_one_uses_it(database: Database) -> None:
    logins = UsedLogins(database, lambda: NOW)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: logins.use(_login("one")), range(32))).count(True) == 1


def test_marks_go_when_their_login_is_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = NOW
    logins = UsedLogins(database, lambda: at)
    for each in (_login("short", 10), _login("long", 600)):
        assert logins.use(each)
    at += timedelta(seconds=9)
    logins.purge()
    assert _marks(database) == 2
    at += timedelta(seconds=2)
    logins.purge()
    assert _marks(database) == 1
    at += timedelta(hours=1)
    later: Any = logins.use  # without anybody's asking, once a minute
    monkeypatch.setattr(used, "PURGE_SECONDS", 0.0)
    assert later(_login("new", 7200))
    assert _marks(database) == 1
