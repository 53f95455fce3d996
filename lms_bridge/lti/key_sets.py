"""The published keys of other systems: fetched in the background, parsed once, and kept.

A thread that answers a request never fetches. It uses the keys that are there, also stale ones. It
waits a moment where there are none yet, if there is a place to wait (``OutsideWaits``). There is
one fetch at a time for each address. A key that is not known may be new, so the set is fetched once
more, and not again for a while after one in vain. Every address goes through the address guard of
``lms_bridge.http.client``.
"""

from __future__ import annotations

import base64
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from lms_bridge.domain.errors import BridgeError, RetryLater
from lms_bridge.domain.ports import Limits
from lms_bridge.http.client import Http
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.jwt import ALGORITHM
from lms_bridge.lti.outside_waits import OutsideWaits
from lms_bridge.lti.registrations import LtiRegistration

FRESH_SECONDS = 3600.0
STALE_SECONDS = 86_400.0
"""A set that cannot be fetched anew serves for so long: a platform's short outage stops nobody."""
COOL_DOWN_SECONDS = 10.0
WAIT_SECONDS = 5.0
"""How long a request waits for keys that are not there yet."""
AFTER_SECONDS = 2
MOST_KEYS = 100
LEAST_BITS = 2048
LIMITS = Limits(
    calls_at_once=2,
    connect_seconds=3.0,
    read_seconds=5.0,
    total_seconds=8.0,
    attempts=2,
    backoff_seconds=0.2,
    backoff_most_seconds=1.0,
    break_seconds=10.0,
    most_bytes=256 * 1024,
)

HttpFactory = Callable[[bool], Http]
"""Opens the client for one address; the parameter allows private addresses."""


def guarded_http(private_addresses: bool) -> Http:
    """The client that fetches an address which somebody outside named."""
    return Http(LIMITS, private_addresses=private_addresses, system="the key set")


Useful = Callable[[dict[str, RSAKey]], bool]
"""Whether fetched keys are what they were fetched for."""


@dataclass
class _Kept:
    """The keys of one address. ``round`` counts the fetches that ended."""

    http: Http
    changed: threading.Condition = field(default_factory=threading.Condition)
    keys: dict[str, RSAKey] = field(default_factory=dict)
    fetched: float | None = None
    in_vain: float | None = None
    error: LtiRefused | None = None
    fetching: bool = False
    round: int = 0


@dataclass(frozen=True, slots=True)
class KeysOf:
    """The keys of one registration, as ``jwt.verify`` needs them. ``party`` is whose they are."""

    sets: KeySets
    address: str
    private_addresses: bool
    party: str

    def key(self, kid: str) -> RSAKey | None:
        return self.sets.key(self, kid)

    def newer_key(self, kid: str, old: RSAKey) -> RSAKey | None:
        return self.sets.newer_key(self, kid, old)


class KeySets:
    """All remote key sets of this process. Safe for threads."""

    def __init__(
        self,
        http: HttpFactory = guarded_http,
        *,
        waits: OutsideWaits | None = None,
        clock: Callable[[], float] = time.monotonic,
        cool_down: float = COOL_DOWN_SECONDS,
        wait_seconds: float | None = None,
    ) -> None:
        self._http, self._clock, self._cool_down = http, clock, cool_down
        self._waits = waits or OutsideWaits(8)
        self._wait_seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, bool], _Kept] = {}

    def of(self, registration: LtiRegistration, *, private_addresses: bool = False) -> KeysOf:
        """``private_addresses``: whether every registration may have them."""
        return KeysOf(
            self,
            registration.jwks_uri,
            private_addresses or registration.private_addresses,
            registration.centre or registration.issuer or registration.client_id,
        )

    def key(self, of: KeysOf, kid: str) -> RSAKey | None:
        """The key of that name; None when the set, fetched anew, does not hold it.

        Raises:
            LtiRefused: the set is not there yet, or cannot be had.
        """
        kept = self._entry(of)
        age = self._age(kept)
        found = kept.keys.get(kid)
        if found is not None and age <= STALE_SECONDS:
            if age >= FRESH_SECONDS:
                self._fetch_soon(of, kept, bool)
            return found
        self._await_fetch(of, kept, lambda keys: kid in keys)
        return self._answer(kept, kid)

    def newer_key(self, of: KeysOf, kid: str, old: RSAKey) -> RSAKey | None:
        """The key that has replaced another of the same name, if there is one.

        Raises:
            LtiRefused: as ``key``.
        """

        def replaced(keys: dict[str, RSAKey]) -> bool:
            return kid in keys and keys[kid].thumbprint() != old.thumbprint()

        kept = self._entry(of)
        if not replaced(kept.keys):
            self._await_fetch(of, kept, replaced)
        return kept.keys[kid] if replaced(kept.keys) else None

    def fetch(self, of: KeysOf) -> None:
        """Fetches a set now, for a thread that may wait as long as that takes.

        Raises:
            LtiRefused: it cannot be had.
        """
        kept = self._entry(of)
        with kept.changed:
            number = kept.round
            self._fetch_soon(of, kept, bool, cooled=True)
            kept.changed.wait_for(lambda: kept.round > number)
        if kept.error is not None:
            raise _again(kept.error)

    def warm(self, of: KeysOf) -> None:
        """Begins to fetch a set that is not there yet."""
        if of.address:
            self._fetch_soon(of, self._entry(of), bool)

    def close(self) -> None:
        with self._lock:
            kept, self._kept = list(self._kept.values()), {}
        for each in kept:
            each.http.close()

    def _entry(self, of: KeysOf) -> _Kept:
        if not of.address:
            raise LtiRefused("keys-unset")
        with self._lock:
            place = (of.address, of.private_addresses)
            if place not in self._kept:
                self._kept[place] = _Kept(self._http(of.private_addresses))
            return self._kept[place]

    def _age(self, kept: _Kept) -> float:
        return math.inf if kept.fetched is None else self._clock() - kept.fetched

    def _cooling(self, kept: _Kept) -> bool:
        return kept.in_vain is not None and self._clock() - kept.in_vain < self._cool_down

    def _fetch_soon(
        self, of: KeysOf, kept: _Kept, useful: Useful, *, cooled: bool = False
    ) -> int | None:
        """Begins a fetch, unless one is under way or the last one was in vain lately. Returns how
        many ended before it; None where there is none to wait for."""
        with kept.changed:
            if not kept.fetching:
                if self._cooling(kept) and not cooled:
                    return None
                kept.fetching = True
                threading.Thread(
                    target=self._fetch, args=(of.address, kept, useful), name="keys", daemon=True
                ).start()
            return kept.round

    def _await_fetch(self, of: KeysOf, kept: _Kept, useful: Useful) -> None:
        """Waits for a fetch, if there is reason for one and a place to wait."""
        with kept.changed:
            if useful(kept.keys) and self._age(kept) <= STALE_SECONDS:
                return  # another one's fetch ended since the caller looked
            number = self._fetch_soon(of, kept, useful)
        if number is None:
            return
        try:
            with self._waits.place(of.party), kept.changed:
                ended = kept.changed.wait_for(lambda: kept.round > number, self._wait_seconds)
        except LtiRefused:
            ended = kept.round > number
        if not ended:
            raise LtiRefused("keys-awaited", status=503, after=AFTER_SECONDS)

    def _fetch(self, address: str, kept: _Kept, useful: Useful) -> None:
        keys: dict[str, RSAKey] | None = None
        error = LtiRefused("keys-not-understood")
        try:
            answer = kept.http.request(
                "GET", address, headers={"Accept": "application/json"}, repeatable=True
            )
            keys = _parsed(answer.body)
        except LtiRefused as refused:
            error = refused
        except BridgeError as failure:
            after = math.ceil(self._cool_down) if isinstance(failure, RetryLater) else 0
            status = 503 if after else 502
            error = LtiRefused("keys-unreachable", detail=failure.code, status=status, after=after)
        finally:
            with kept.changed:
                kept.error = error if keys is None else None
                if keys is not None:
                    kept.keys, kept.fetched = keys, self._clock()
                kept.in_vain = None if keys is not None and useful(keys) else self._clock()
                kept.fetching = False
                kept.round += 1
                kept.changed.notify_all()

    def _answer(self, kept: _Kept, kid: str) -> RSAKey | None:
        if kept.error is not None and (self._age(kept) > STALE_SECONDS or kid not in kept.keys):
            raise _again(kept.error)
        return kept.keys.get(kid)


def _again(error: LtiRefused) -> LtiRefused:
    """The same refusal, for another thread."""
    return LtiRefused(error.code, detail=error.detail, status=error.status, after=error.after)


def _parsed(body: bytes) -> dict[str, RSAKey]:
    """The RSA keys for signatures, by their ids; others are passed over (RFC 7517, section 5)."""
    try:
        entries = orjson.loads(body)["keys"]
        if not isinstance(entries, list):
            raise TypeError
    except (ValueError, TypeError, KeyError):
        raise LtiRefused("keys-not-understood") from None
    found = {}
    for entry in entries[:MOST_KEYS]:
        key = _usable(entry)
        if key is not None:
            found[entry["kid"]] = key
    return found


def _usable(entry: Any) -> RSAKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    # Some programs write what a key does not have as null.
    if entry.get("kty") != "RSA" or entry.get("use") not in (None, "sig"):
        return None
    if entry.get("alg") not in (None, ALGORITHM):
        return None
    try:  # the public numbers alone, whatever else the set gives away
        if _bits(entry["n"]) < LEAST_BITS:
            return None
        return RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")})
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def _bits(number: str) -> int:
    whole = base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))
    return int.from_bytes(whole).bit_length()
