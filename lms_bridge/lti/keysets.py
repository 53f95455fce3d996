"""The published keys of other systems: fetched, parsed once, and kept.

A key that is not among the kept ones is looked for once more, for it may be new (traps 14 and 22):
one request for however many launches, and none for a while after it was in vain. Every address goes
through the address guard of ``lms_bridge.http``.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import Limits
from lms_bridge.http import Http
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.tokens import ALGORITHM

FRESH_SECONDS = 3600.0
STALE_SECONDS = 86_400.0
"""A set that cannot be fetched anew serves for so long: a platform's short outage stops nobody."""
COOL_DOWN_SECONDS = 10.0
MOST_KEYS = 100
LEAST_BITS = 2048
LIMITS = Limits(
    calls_at_once=2,
    connect_seconds=3.0,
    read_seconds=5.0,
    attempts=2,
    backoff_seconds=0.2,
    backoff_most_seconds=1.0,
    break_seconds=10.0,
    most_bytes=256 * 1024,
)

HttpFactory = Callable[[bool], Http]
"""Makes the client for one address; told whether private addresses are allowed."""


def guarded_http(private_addresses: bool) -> Http:
    """The client that fetches what somebody outside has named."""
    return Http(LIMITS, private_addresses=private_addresses, system="the key set")


@dataclass
class _Kept:
    http: Http
    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: dict[str, RSAKey] = field(default_factory=dict)
    fetched: float | None = None
    in_vain: float | None = None
    error: LtiRefused | None = None


@dataclass(frozen=True, slots=True)
class KeysOf:
    """The keys of one party, as ``tokens.verify`` wants them."""

    sets: KeySets
    address: str
    private_addresses: bool

    def key(self, kid: str) -> RSAKey | None:
        return self.sets.key(self.address, kid, private_addresses=self.private_addresses)


class KeySets:
    """All remote key sets of this process. Safe for threads."""

    def __init__(
        self,
        http: HttpFactory = guarded_http,
        *,
        clock: Callable[[], float] = time.monotonic,
        cool_down: float = COOL_DOWN_SECONDS,
    ) -> None:
        self._http, self._clock, self._cool_down = http, clock, cool_down
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, bool], _Kept] = {}

    def of(self, party: Party) -> KeysOf:
        return KeysOf(self, party.jwks_uri, party.private_addresses)

    def key(self, address: str, kid: str, *, private_addresses: bool = False) -> RSAKey | None:
        """The key of that name; None when the set, fetched anew, does not hold it.

        Raises:
            LtiRefused: the set cannot be had, and there is no recent one.
        """
        if not address:
            raise LtiRefused("keys-unset")
        kept = self._entry(address, private_addresses)
        found = kept.keys.get(kid)
        if found is not None and self._is_fresh(kept):
            return found
        seen = kept.fetched
        with kept.lock:  # whoever waited here finds what the first one fetched
            if kept.fetched == seen and not self._cooling(kept):
                self._fetch(address, kept, kid)
        return self._answer(kept, kid)

    def close(self) -> None:
        with self._lock:
            kept, self._kept = list(self._kept.values()), {}
        for each in kept:
            each.http.close()

    def _entry(self, address: str, private_addresses: bool) -> _Kept:
        with self._lock:
            place = (address, private_addresses)
            if place not in self._kept:
                self._kept[place] = _Kept(self._http(private_addresses))
            return self._kept[place]

    def _is_fresh(self, kept: _Kept) -> bool:
        return kept.fetched is not None and self._clock() - kept.fetched < FRESH_SECONDS

    def _cooling(self, kept: _Kept) -> bool:
        return kept.in_vain is not None and self._clock() - kept.in_vain < self._cool_down

    def _fetch(self, address: str, kept: _Kept, kid: str) -> None:
        try:
            answer = kept.http.request(
                "GET", address, headers={"Accept": "application/json"}, repeatable=True
            )
            kept.keys, kept.error = _parsed(answer.body), None
            kept.fetched = self._clock()
        except LtiRefused as error:
            kept.error = error
        except BridgeError as error:
            kept.error = LtiRefused("keys-unreachable", detail=error.code, status=502)
        kept.in_vain = None if kid in kept.keys and kept.error is None else self._clock()

    def _answer(self, kept: _Kept, kid: str) -> RSAKey | None:
        if kept.error is None:
            return kept.keys.get(kid)
        too_old = kept.fetched is None or self._clock() - kept.fetched > STALE_SECONDS
        if too_old or kid not in kept.keys:
            raise LtiRefused(
                kept.error.code, kept.error.message, detail=kept.error.detail, status=502
            )
        return kept.keys[kid]


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
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    if entry.get("alg", ALGORITHM) != ALGORITHM:
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
