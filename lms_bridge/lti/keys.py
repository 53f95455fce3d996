"""The bridge's own keys: made at first use, encrypted at rest, parsed once, rotated.

Loading a private key costs a hundred times what a signature does, so each is loaded once per
process.
Source: 1EdTech Security Framework 1.1, section 6 (key distribution); RFC 7517 and RFC 7638.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import RSAKey
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from lms_bridge.audit import CLOCK, Actor, Change, Subject, record
from lms_bridge.domain.clock import utc_now
from lms_bridge.lti.jwt import ALGORITHM, signed
from lms_bridge.secrets import Vault
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import key

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
    """What was read at one time. ``state`` shows whether the database has changed since."""

    state: tuple[int, int]
    kid: str
    signing: RSAKey
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
        self._loaded: dict[str, RSAKey] = {}

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """A compact token of these claims, signed with RS256 by the newest key."""
        ring = self._current(self._refresh)
        return signed(claims, ring.signing, ring.kid, typ)

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

    def newer_key(self, kid: str, old: RSAKey) -> RSAKey | None:
        """No key of the bridge's own replaces another under its name."""

    def facts(self) -> tuple[KeyFacts, ...]:
        """All keys, the oldest first."""
        return self._current(0.0).facts

    def rotate(self, by: Actor | None = None) -> str:
        """Makes a new key, which signs from now on, and forgets those whose time is over. Gives
        the new key's id. ``by`` is None where the bridge does it by itself."""
        kid, private, public = _new_key()
        now = self._now()
        with self._database.writing() as tx:
            signing = [row.kid for row in _stored(tx) if row.retired_at is None]
            self._add(tx, kid, private, public)
            others = key.c.retired_at.is_(None), key.c.kid != kid
            tx.execute(update(key).where(*others).values(retired_at=now))
            tx.execute(delete(key).where(key.c.retired_at < now - timedelta(seconds=self._keep)))
            fields = {"kid": (signing[-1] if signing else None, kid)}
            change = Change(Subject.KEY, "rotate", None, kid, fields)
            record(tx, by or Actor("", CLOCK, now), change)
        self._current(0.0)
        return kid

    def rotate_if_older(self, seconds: float) -> str | None:
        """Rotates when the key that signs is older than that; for the clock."""
        newest = self._current(0.0).facts[-1]
        old = newest.created_at <= self._now() - timedelta(seconds=seconds)
        return self.rotate() if old else None

    def _current(self, older_than: float) -> _Ring:
        ring = self._ring
        if ring is not None and self._clock() - self._looked < older_than:
            return ring
        with self._lock:
            ring = self._ring
            with self._database.reading() as tx:
                state = _state(tx)
            if ring is None or ring.state != state:
                self._ring = ring = self._read() if state[0] else self._first()
            self._looked = self._clock()
            return ring

    def _first(self) -> _Ring:
        kid, private, public = _new_key()
        with self._database.writing() as tx:
            if not _state(tx)[0]:  # another process may have been quicker
                self._add(tx, kid, private, public)
        return self._read()

    def _add(self, tx: Connection, kid: str, private: str, public: dict[str, Any]) -> None:
        locked = self._vault.lock(private)
        new = insert(key).values(kid=kid, private=locked, public=public, created_at=self._now())
        tx.execute(new)

    def _read(self) -> _Ring:
        with self._database.reading() as tx:
            state = _state(tx)
            rows = _stored(tx)
        newest = [row for row in rows if row.retired_at is None][-1]
        if newest.kid not in self._loaded:
            private = RSAKey.import_key(self._vault.unlock(newest.private))
            self._loaded = {newest.kid: private}
        return _Ring(
            state=state,
            kid=newest.kid,
            signing=self._loaded[newest.kid],
            public={row.kid: RSAKey.import_key(row.public) for row in rows},
            published={row.kid: dict(row.public) for row in rows},
            facts=tuple(KeyFacts(row.kid, row.created_at, row.retired_at) for row in rows),
        )


def _stored(tx: Connection) -> Sequence[Row[Any]]:
    """All keys, the oldest first."""
    return tx.execute(select(key).order_by(key.c.id)).all()


def _state(tx: Connection) -> tuple[int, int]:
    """(newest id, number in use): it changes whenever a key is added, retired or deleted."""
    newest = select(func.coalesce(func.max(key.c.id), 0), func.count())
    row = tx.execute(newest.where(key.c.retired_at.is_(None))).one()
    return int(row[0]), int(row[1])


def _new_key() -> tuple[str, str, dict[str, Any]]:
    """(key id, private key as PEM, public key as JWK)"""
    made, kid = RSAKey.generate_key(KEY_BITS), secrets.token_urlsafe(16)
    public = made.as_dict(private=False, kid=kid, use="sig", alg=ALGORITHM)
    return kid, made.as_pem(private=True).decode(), dict(public)
