"""The secrets of centres: locked with a key that only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from itsdangerous import BadSignature
from sqlalchemy import LargeBinary

from lms_bridge.cli.db import LOCKED
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.secrets import Vault
from lms_bridge.store.tables import metadata

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TOKEN = "sample-token-ü"


def test_a_locked_secret_is_unreadable_and_unlocks_again() -> None:
    locked = Vault(OLD).lock(TOKEN)
    assert TOKEN.encode() not in locked
    assert Vault(OLD).unlock(locked) == TOKEN
    assert Vault(OLD).lock(TOKEN) != locked  # two centres with one token do not show it


def test_an_empty_secret_stays_empty() -> None:
    assert Vault(OLD).lock("") == b""
    assert Vault(OLD).unlock(b"") == ""


def test_a_key_is_changed_without_a_pause() -> None:
    before = Vault(OLD).lock(TOKEN)
    both = Vault(f"{NEW}, {OLD}")
    assert both.unlock(before) == TOKEN
    after = both.lock(TOKEN)
    assert Vault(NEW).unlock(after) == TOKEN
    with pytest.raises(SettingsInvalid):
        Vault(OLD).unlock(after)


@pytest.mark.parametrize(
    "spoilt",
    [b"x", b"\x00" * 100, Vault(OLD).lock(TOKEN)[:-5] + b"AAAA="],
    ids=["short", "zeros", "cut"],  # keys are made anew in each process: no names of tests
)
def test_a_wrong_key_or_spoilt_secret_is_not_taken_for_an_empty_one(spoilt: bytes) -> None:
    with pytest.raises(SettingsInvalid, match=r"secrets\.key is not the key") as raised:
        Vault(NEW).unlock(spoilt)
    assert NEW not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "key",
    ["short", " ", "é" * 44, f"{NEW},short", NEW[:-2], f"{NEW},"],
    ids=["short", "blank", "not-ascii", "second-short", "cut", "second-empty"],
)
def test_an_invalid_key_is_refused(key: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"secrets\.key is not a Fernet key") as raised:
        Vault(key)
    assert key.strip(" ,") == "" or key not in str(raised.value)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "secret.key"
    before = os.umask(0)
    try:
        locked = Vault.from_settings("", path).lock(TOKEN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Vault.from_settings("", path).unlock(locked) == TOKEN
    assert list(path.parent.iterdir()) == [path]


def test_a_key_of_the_settings_needs_no_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    Vault.from_settings(OLD, path)
    assert not path.exists()


def test_a_key_file_may_end_with_a_line_break(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_text(f"{OLD}\n", encoding="ascii")
    assert Vault.from_settings("", path).unlock(Vault(OLD).lock(TOKEN)) == TOKEN


def test_an_unusable_key_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        Vault.from_settings("", path)
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        Vault.from_settings("", tmp_path)
    path.write_text("", encoding="ascii")
    with pytest.raises(SettingsInvalid, match="not a Fernet key"):
        Vault.from_settings("", path)


def test_the_key_is_in_no_repr() -> None:
    assert OLD not in repr(Vault(OLD))
    assert OLD not in repr(vars(Vault(OLD)))


def test_every_stored_secret_is_locked_with_the_new_key() -> None:
    """Hashes have a length; what has none is a secret, a kept answer, a file that was sent, or the
    marks of a page that was read."""
    unbounded = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.type.length is None
    }
    assert {str(secret) for _, secret in LOCKED} == unbounded - {
        "kept_response.body",
        "schedule_upload.octets",
        "source_digest.marks",
    }


def test_signatures_are_of_one_key_and_one_purpose() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    signed = Vault(old).signer("one").sign("a text")
    assert Vault(f"{new},{old}").signer("one").unsign(signed) == b"a text"  # the key is changing
    assert Vault(old).signer("one").unsign(Vault(f"{old},{new}").signer("one").sign("b")) == b"b"
    for other in (Vault(new).signer("one"), Vault(old).signer("two")):
        with pytest.raises(BadSignature):
            other.unsign(signed)
