"""Secrets that are kept, encrypted at rest (Fernet: AES-128-CBC with HMAC-SHA256), and signatures
of what others carry."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import Signer

from lms_bridge.domain.errors import SettingsInvalid


class Vault:
    """Locks and unlocks secrets with a key from the settings.

    Several keys may be given with commas between them: the first locks, all unlock, so that a key
    can be changed without a pause.
    """

    def __init__(self, key: str) -> None:
        keys = [each.strip() for each in key.split(",")]
        try:
            self._fernet = MultiFernet([Fernet(each) for each in keys])
        except ValueError:
            raise SettingsInvalid(
                ["secrets.key is not a Fernet key (32 bytes, URL-safe base64)"]
            ) from None

        def derived(purpose: str) -> list[bytes]:
            return [hmac.digest(each.encode(), purpose.encode(), "sha256") for each in keys]

        self._derived = derived  # holds the keys where nothing shows them

    @classmethod
    def from_settings(cls, key: str, key_file: Path) -> Vault:
        """With the given key, or the one in a file that only its owner can read, made when it is
        missing."""
        if key:
            return cls(key)
        try:
            return cls(key_file.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return cls(_make_key(key_file))
        except (OSError, UnicodeDecodeError):
            raise SettingsInvalid([f"secrets.key_file {key_file} cannot be read"]) from None

    def lock(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode()) if secret else b""

    def unlock(self, locked: bytes) -> str:
        """Raises SettingsInvalid where the key is not the one that locked the secret."""
        if not locked:
            return ""
        try:
            return self._fernet.decrypt(locked).decode()
        except InvalidToken:
            raise _wrong_key() from None

    def signer(self, purpose: str) -> Signer:
        """Signs what others carry for the bridge (HMAC-SHA256), with a key of its own for each
        purpose. What it signs can be read by everybody."""
        # The last one signs, all are good.
        keys = self._derived(purpose)[::-1]
        return Signer(keys, key_derivation="none", digest_method=hashlib.sha256)

    def relock(self, locked: bytes) -> bytes:
        """The same secret, locked with the first key. Raises SettingsInvalid as ``unlock`` does."""
        try:
            return self._fernet.rotate(locked)
        except InvalidToken:
            raise _wrong_key() from None


def _wrong_key() -> SettingsInvalid:
    return SettingsInvalid(["secrets.key is not the key that the secrets here were stored with"])


def _make_key(path: Path) -> str:
    key = Fernet.generate_key().decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process was quicker
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key)
    return key
