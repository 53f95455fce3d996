"""What is logged, by us and by libraries, holds no secrets and no personal data."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge import logs
from lms_bridge.logs import EMAIL, GONE, redacted, redacted_text


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configured = structlog.get_config()
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.configure(**configured)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /rest?wstoken=abc123&x=1", f"GET /rest?wstoken={GONE}&x=1"),
        ("access_token=abc, id=3", f"access_token={GONE}, id=3"),
        ('{"privatetoken": "abc def", "id": 3}', f'{{"privatetoken": {GONE}, "id": 3}}'),
        ("password='x y' next", f"password={GONE} next"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: {GONE}"),
        ("sent bearer abcdefgh12", f"sent bearer {GONE}"),
        (f"sent lmsb_abcdefghijkl_{'x' * 43} there", f"sent {GONE} there"),
        (f"signed with whsec_{'Ab+/' * 8}=.", f"signed with {GONE}."),
        ("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI3In0.c2ln-_ here", f"got {GONE} here"),
        ("postgresql://me:pw@host/db", f"postgresql://me:{GONE}@host/db"),
        ("mail ann.o'neil+x@example.org now", f"mail {EMAIL} now"),
        ("?email=ann%40example.org&x", f"?email={EMAIL}&x"),
        ("анна@пример.рф wrote", f"{EMAIL} wrote"),
        ("<ann@example.org>", f"<{EMAIL}>"),
        ("no token is needed; 3 @ 5", "no token is needed; 3 @ 5"),
        ("enrolled 30 of 30 in 2.5 s", "enrolled 30 of 30 in 2.5 s"),
    ],
)
def test_private_values_in_texts_are_redacted(text: str, shown: str) -> None:
    assert redacted_text(text) == shown
    assert redacted_text(shown) == shown


def test_private_values_are_redacted_by_key_at_any_depth() -> None:
    assert redacted(
        {
            "wstoken": "abc",
            "clientSecret": b"abc",
            "API_KEY": 5,
            "email": "ann",
            "trust_email": True,
            "deep": [{"password": ["a"], "id": 3, "to": ("ann@example.org", None)}],
            "error": ValueError("for ann@example.org"),
        }
    ) == {
        "wstoken": GONE,
        "clientSecret": GONE,
        "API_KEY": GONE,
        "email": EMAIL,
        "trust_email": True,
        "deep": [{"password": GONE, "id": 3, "to": [EMAIL, None]}],
        "error": f"for {EMAIL}",
    }


@given(st.text(), st.from_regex(r"\A[a-z]{1,20}@[a-z]{1,20}\.[a-z]{2,5}\Z"), st.text())
def test_every_email_address_is_redacted(before: str, address: str, after: str) -> None:
    assert address not in redacted_text(f"{before} {address} {after}")


@given(st.text(), st.from_regex(r"\A[0-9a-f]{32}\Z"))
def test_every_token_in_an_address_is_redacted(before: str, token: str) -> None:
    assert token not in redacted_text(f"{before} https://x.org/?wstoken={token}&a=1")


def test_a_very_long_text_is_cut() -> None:
    assert len(redacted_text("a-" * 10**6)) < 21_000


@pytest.mark.parametrize("as_json", [False, True])
def test_every_logger_is_redacted(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", as_json=as_json)
    structlog.get_logger("lms_bridge.x").info("ours", token="abc123", centre="KE", title="العربية")
    logging.getLogger("psycopg.pool").warning("theirs %s", "/rest?wstoken=abc123")
    structlog.get_logger("lms_bridge.x").debug("too fine")
    logging.getLogger("apscheduler.scheduler").info("its own business")
    try:
        raise ValueError("ann@example.org, password=abc123")
    except ValueError:
        logging.getLogger("apscheduler.executors").exception("job failed")
        structlog.get_logger("lms_bridge.x").exception("failed")
    out, reported = capsys.readouterr()
    assert out == ""
    assert "abc123" not in reported
    assert "ann@" not in reported
    assert "too fine" not in reported
    assert "its own business" not in reported
    assert reported.count("Traceback") == 2
    if as_json:
        events = [json.loads(line) for line in reported.splitlines()]
        assert [event["event"] for event in events] == [
            "ours",
            f"theirs /rest?wstoken={GONE}",
            "job failed",
            "failed",
        ]
        assert events[0]["centre"] == "KE"
        assert events[0]["title"] == "العربية"
        assert events[0]["logger"] == "lms_bridge.x"
        assert events[0]["timestamp"].endswith("Z")
    else:
        assert "centre=KE" in reported


def test_debug_logs_include_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug")
    logging.getLogger("psycopg.pool").debug("a connection for ann@example.org")
    assert f"a connection for {EMAIL}" in capsys.readouterr().err
    logs.set_up("error")
    structlog.get_logger("x").warning("not so bad")
    assert capsys.readouterr().err == ""


def test_what_fails_each_second_is_said_each_minute_until_it_is_over() -> None:
    seconds = iter([0.0, 1.0, 59.0, 60.0, 61.0, 100.0])
    lasting = logs.LastingFailure(
        structlog.get_logger(), "sample fails", "sample works", lambda: next(seconds)
    )
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            lasting.failed("SampleError")
        for _ in range(2):
            lasting.works()
        lasting.failed("SampleError")
    fails, works = "sample fails", "sample works"
    assert [each["event"] for each in lines] == [fails, fails, works, fails]
