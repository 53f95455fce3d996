"""The bridge's own keys: kept encrypted, rotated without a pause, shared by processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.lti.jwt import verify
from lms_bridge.lti.keys import Keyring
from lms_bridge.secrets import Vault
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import key

VAULT = Vault(Fernet.generate_key().decode())


class Time:
    """One clock for moments and for seconds."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def ring(database: Database, time: Time) -> Keyring:
    return Keyring(database, VAULT, time.now, clock=time.seconds)


def signed(ring: Keyring, time: Time) -> str:
    now = time.seconds()
    return ring.sign({"iss": "us", "aud": "them", "iat": now, "exp": now + 600})


def good(token: str, ring: Keyring, time: Time) -> bool:
    return bool(verify(token, ring, issuer="us", audience="them", leeway=0.0, now=time.now()))


def test_a_key_is_made_at_first_use_and_encrypted(ring: Keyring, database: Database) -> None:
    (published,) = ring.public_set()["keys"]
    assert set(published) == {"kty", "n", "e", "kid", "use", "alg"}
    with database.reading() as tx:
        row = tx.execute(select(key)).one()
    assert b"PRIVATE" not in row.private
    assert "BEGIN PRIVATE KEY" in VAULT.unlock(row.private)


def test_a_rotated_key_signs_and_the_old_one_stays_published(ring: Keyring, time: Time) -> None:
    old = signed(ring, time)
    new_kid = ring.rotate()
    published = ring.public_set()["keys"]
    assert published[0]["kid"] == new_kid
    assert len(published) == 2
    assert good(old, ring, time)
    assert good(signed(ring, time), ring, time)
    time.at += timedelta(days=3)
    assert [each["kid"] for each in ring.public_set()["keys"]] == [new_kid]
    ring.rotate()
    assert len(ring.facts()) == 2


def test_a_rotation_by_another_process_is_seen(
    ring: Keyring, database: Database, time: Time
) -> None:
    other = Keyring(database, VAULT, time.now, clock=time.seconds)
    before = signed(other, time)
    kid = ring.rotate()
    assert good(before, ring, time)
    assert good(signed(ring, time), other, time)  # unknown to it: looked for at once
    assert other.public_set() == ring.public_set()
    time.at += timedelta(seconds=61)
    signed(other, time)
    assert other.facts()[-1].kid == kid


def test_a_key_is_rotated_by_its_age(ring: Keyring, time: Time) -> None:
    signed(ring, time)
    assert ring.rotate_if_older(86_400) is None
    time.at += timedelta(days=1)
    assert ring.rotate_if_older(86_400) is not None
    assert ring.rotate_if_older(86_400) is None


def test_a_key_of_another_vault_is_reported(ring: Keyring, database: Database, time: Time) -> None:
    signed(ring, time)
    stranger = Keyring(database, Vault(Fernet.generate_key().decode()), time.now)
    with pytest.raises(SettingsInvalid):
        signed(stranger, time)


def test_signing_asks_no_database(
    sqlite_database: Database, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Keyring(sqlite_database, VAULT, time.now, clock=time.seconds)
    signed(ring, time)

    def refuse() -> None:
        raise AssertionError("the database was asked")

    broken: Callable[[], None] = refuse
    monkeypatch.setattr(sqlite_database, "reading", broken)
    for _ in range(10):
        signed(ring, time)
