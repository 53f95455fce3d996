"""The bridge's own keys: made at first use, encrypted at rest, parsed once, rotated.

Parsing a private key costs a hundred times what a signature does: each is parsed once per process.
Source: 1EdTech Security Framework 1.1, section 6 (key distribution); RFC 7517 and RFC 7638.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc.jwk import RSAKey

from lms_bridge.lti.tokens import ALGORITHM, signed
from lms_bridge.secrets import Vault
from lms_bridge.store import lti
from lms_bridge.store.database import Database
from lms_bridge.sync.auditing import CLOCK, By, Changed, Subject, keep
from lms_bridge.sync.work import utc_now

KEY_BITS = 2048
KEEP_SECONDS = 2 * 86_400.0
REFRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key as people see it."""

    kid: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True)
class _Ring:
    """What was read at one time. ``state`` tells whether the database holds another one by now."""

    state: tuple[int, int]
    kid: str
    signing: rsa.RSAPrivateKey
    public: dict[str, RSAKey]
    published: dict[str, dict[str, Any]]
    facts: tuple[KeyFacts, ...]


class Keyring:
    """Signs, and publishes what its signatures are verified with. Safe for threads.

    Args:
        keep_seconds: how long a key stays published after it signed for the last time; longer than
            anything that it signed is valid.
        refresh_seconds: how often signing looks whether another process rotated.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        now: Callable[[], datetime] = utc_now,
        *,
        keep_seconds: float = KEEP_SECONDS,
        refresh_seconds: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._vault, self._now = database, vault, now
        self._keep, self._refresh, self._clock = keep_seconds, refresh_seconds, clock
        self._lock = threading.Lock()
        self._ring: _Ring | None = None
        self._looked = 0.0
        self._parsed: dict[str, rsa.RSAPrivateKey] = {}

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """A compact token of these claims, signed with RS256 by the newest key."""
        ring = self._current(self._refresh)
        header = {"alg": ALGORITHM, "typ": typ, "kid": ring.kid}
        return signed(header, dict(claims), ring.signing)

    def public_set(self) -> dict[str, Any]:
        """The JSON Web Key Set: the key that signs, and older ones whose signatures still count."""
        ring = self._current(0.0)
        oldest = self._now() - timedelta(seconds=self._keep)
        return {
            "keys": [
                ring.published[each.kid]
                for each in reversed(ring.facts)
                if each.retired_at is None or each.retired_at > oldest
            ]
        }

    def key(self, kid: str) -> RSAKey | None:
        """The public key of that name, to verify what the bridge itself signed."""
        found = self._current(self._refresh).public.get(kid)
        return found or self._current(0.0).public.get(kid)

    def facts(self) -> tuple[KeyFacts, ...]:
        """All keys, the oldest first."""
        return self._current(0.0).facts

    def rotate(self, by: By | None = None) -> str:
        """Makes a new key, which signs from now on, and forgets those whose time is over. Gives
        the new key's id. ``by`` is None where the bridge does it by itself."""
        kid, private, public = _new_key()
        now = self._now()
        with self._database.writing() as tx:
            signing = [row.kid for row in lti.keys(tx) if row.retired_at is None]
            lti.add_key(tx, kid, self._vault.lock(private), public, now)
            lti.retire_keys(tx, kid, now)
            lti.forget_keys(tx, now - timedelta(seconds=self._keep))
            changed = Changed(Subject.KEY, None, kid)
            fields = {"kid": (signing[-1] if signing else None, kid)}
            keep(tx, by or By("", CLOCK, now), changed, "rotate", fields)
        self._current(0.0)
        return kid

    def rotate_if_older(self, seconds: float) -> str | None:
        """Rotates when the key that signs is older than that; for the clock."""
        newest = self._current(0.0).facts[-1]
        old = newest.created_at <= self._now() - timedelta(seconds=seconds)
        return self.rotate() if old else None

    # ---- what this process knows ---------------------------------------------------------

    def _current(self, older_than: float) -> _Ring:
        ring = self._ring
        if ring is not None and self._clock() - self._looked < older_than:
            return ring
        with self._lock:
            ring = self._ring
            with self._database.reading() as tx:
                state = lti.state_of_keys(tx)
            if ring is None or ring.state != state:
                self._ring = ring = self._read() if state[0] else self._first()
            self._looked = self._clock()
            return ring

    def _first(self) -> _Ring:
        kid, private, public = _new_key()
        with self._database.writing() as tx:
            if not lti.state_of_keys(tx)[0]:  # another process may have been quicker
                lti.add_key(tx, kid, self._vault.lock(private), public, self._now())
        return self._read()

    def _read(self) -> _Ring:
        with self._database.reading() as tx:
            state = lti.state_of_keys(tx)
            rows = lti.keys(tx)
        newest = [row for row in rows if row.retired_at is None][-1]
        if newest.kid not in self._parsed:
            self._parsed = {newest.kid: _parsed(self._vault.unlock(newest.private))}
        return _Ring(
            state=state,
            kid=newest.kid,
            signing=self._parsed[newest.kid],
            public={row.kid: RSAKey.import_key(_bare(row.public)) for row in rows},
            published={row.kid: dict(row.public) for row in rows},
            facts=tuple(KeyFacts(row.kid, row.created_at, row.retired_at) for row in rows),
        )


def _new_key() -> tuple[str, str, dict[str, Any]]:
    """(key id, private key as PEM, public key as JWK)"""
    made = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    bare = _bare(RSAKey.import_key(made.public_key()).as_dict(private=False))
    kid = secrets.token_urlsafe(16)
    return kid, pem, {**bare, "kid": kid, "use": "sig", "alg": ALGORITHM}


def _bare(jwk: Mapping[str, Any]) -> dict[str, str | list[str]]:
    return {name: jwk[name] for name in ("kty", "n", "e")}


def _parsed(pem: str) -> rsa.RSAPrivateKey:
    # Our own key, which the vault has authenticated: the costly primality checks add nothing.
    private = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("the stored key is no RSA key")
    return private
