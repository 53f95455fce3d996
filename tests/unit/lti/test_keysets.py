"""Remote key sets: fetched once, again for a new key, and never without end."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest
from joserfc.jwk import OctKey, RSAKey

from lms_bridge.domain.errors import Unreachable
from lms_bridge.http import Response
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.keysets import FRESH_SECONDS, STALE_SECONDS, KeySets

A, B = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
ADDRESS = "https://lms.example.org/jwks"


class Site:
    """What stands at the address. ``gate`` holds requests back."""

    def __init__(self) -> None:
        self.keys: dict[str, RSAKey] = {"a": A}
        self.body: bytes | None = None
        self.away = False
        self.fetches = 0
        self.gate = threading.Event()
        self.gate.set()

    def request(self, method: str, address: str, **options: Any) -> Response:
        self.fetches += 1
        self.gate.wait(10)
        if self.away:
            raise Unreachable("no-connection", "No connection.")
        entries = [{**k.as_dict(private=False), "kid": kid} for kid, k in self.keys.items()]
        body = self.body if self.body is not None else orjson.dumps({"keys": entries})
        return Response(200, "application/json", {}, body)

    def close(self) -> None:
        """Nothing is open."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sets(site: Site, clock: Clock) -> KeySets:
    made: Any = site
    return KeySets(lambda private: made, clock=clock)


def code(sets: KeySets, kid: str) -> str:
    with pytest.raises(LtiRefused) as caught:
        sets.key(ADDRESS, kid)
    return caught.value.code


def test_fetched_once(sets: KeySets, site: Site, clock: Clock) -> None:
    first = sets.key(ADDRESS, "a")
    assert first is not None
    assert sets.key(ADDRESS, "a") is first
    assert site.fetches == 1
    clock.now += FRESH_SECONDS
    sets.key(ADDRESS, "a")
    assert site.fetches == 2


def test_a_rotated_key_works_at_once(sets: KeySets, site: Site) -> None:
    sets.key(ADDRESS, "a")
    site.keys = {"b": B}
    assert sets.key(ADDRESS, "b") is not None
    assert sets.key(ADDRESS, "a") is None
    assert site.fetches == 3


def test_unknown_keys_are_not_asked_for_without_end(
    sets: KeySets, site: Site, clock: Clock
) -> None:
    for number in range(50):
        assert sets.key(ADDRESS, f"guess-{number}") is None
    assert site.fetches == 1
    assert sets.key(ADDRESS, "a") is not None
    clock.now += 11
    assert sets.key(ADDRESS, "guess") is None
    assert site.fetches == 2


def test_one_request_for_many_launches(sets: KeySets, site: Site) -> None:
    site.gate.clear()
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(sets.key(ADDRESS, "a"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    site.gate.set()
    for thread in threads:
        thread.join()
    assert site.fetches == 1
    assert None not in found


def test_an_outage_stops_nobody_for_a_day(sets: KeySets, site: Site, clock: Clock) -> None:
    sets.key(ADDRESS, "a")
    site.away = True
    clock.now += FRESH_SECONDS + 1
    assert sets.key(ADDRESS, "a") is not None
    assert code(sets, "b") == "keys-unreachable"
    clock.now += STALE_SECONDS
    assert code(sets, "a") == "keys-unreachable"
    site.away = False
    clock.now += 11
    assert sets.key(ADDRESS, "a") is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"keys": 5}', b'"keys"'])
def test_not_understood(sets: KeySets, site: Site, body: bytes) -> None:
    site.body = body
    assert code(sets, "a") == "keys-not-understood"


@pytest.mark.parametrize(
    "entry",
    [
        5,
        {},
        {"kid": "a"},
        {"kid": "a", "kty": "RSA", "n": "x", "e": "AQAB"},
        {"kid": "a", "kty": "RSA", "n": 5, "e": "AQAB"},
        {**A.as_dict(private=False), "kid": "a", "use": "enc"},
        {**A.as_dict(private=False), "kid": "a", "alg": "RS512"},
        {**A.as_dict(private=False), "kid": 5},
        {"kid": "a", "kty": "RSA", "n": "x" * 171, "e": "AQAB"},  # 1024 bits
        {**OctKey.import_key("secret" * 9).as_dict(), "kid": "a"},
    ],
)
def test_keys_that_cannot_be_used_are_passed_over(sets: KeySets, site: Site, entry: Any) -> None:
    site.body = orjson.dumps({"keys": [entry, {**B.as_dict(private=False), "kid": "b"}]})
    assert sets.key(ADDRESS, "a") is None
    assert sets.key(ADDRESS, "b") is not None


def test_a_private_key_that_was_published_is_used_as_a_public_one(
    sets: KeySets, site: Site
) -> None:
    site.body = orjson.dumps({"keys": [{**A.as_dict(private=True), "kid": "a"}]})
    found = sets.key(ADDRESS, "a")
    assert found is not None
    assert not found.is_private


def test_no_address(sets: KeySets) -> None:
    with pytest.raises(LtiRefused) as caught:
        sets.key("", "a")
    assert caught.value.code == "keys-unset"
