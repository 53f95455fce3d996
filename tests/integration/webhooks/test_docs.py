"""docs/webhooks.md tells of every event and setting, and its code does what it says."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier

from lms_bridge import settings
from lms_bridge.domain.events import EVENT_MEANINGS, Event
from lms_bridge.signing import new_secret, signed_headers
from lms_bridge.webhooks.schemas import POSTED

TEXT = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_every_event_and_setting_is_documented() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \|$", TEXT, re.MULTILINE)
    assert set(EVENT_MEANINGS) == set(Event)
    assert {(name, meaning) for name, meaning in rows if "|" not in meaning} == set(
        EVENT_MEANINGS.items()
    )
    assert set(re.findall(r"`(webhooks\.\w+)`", TEXT)) == {
        name for name in settings.names() if name.startswith("webhooks.")
    }
    assert all(f"| `{name}` |" in TEXT for name in POSTED)


def test_the_documented_check_of_a_signature_works() -> None:
    made: dict[str, Any] = {}
    exec(CODE[0], made)
    secret, body = new_secret(), b'{"type": "ping"}'
    headers = signed_headers([secret], "msg_1", int(time.time()), body)
    Verifier(secret).verify(body, headers)
    assert made["genuine"](secret, headers, body)
    assert not made["genuine"](secret, headers, body + b" ")
    assert not made["genuine"](new_secret(), headers, body)
    old = signed_headers([secret], "msg_1", int(time.time()) - 400, body)
    assert not made["genuine"](secret, old, body)


def test_the_documented_way_to_sign_works(monkeypatch: Any) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setenv("SECRET", secret := new_secret())

    def post(_: str, body: bytes, headers: dict[str, str]) -> None:
        sent.update(body=body, headers=headers)

    monkeypatch.setattr("requests.post", post)
    exec(CODE[1], {"bridge": "https://bridge.example.org"})
    Verifier(secret).verify(sent["body"], sent["headers"])
