"""Remote key sets: fetched once, again for a new key, and never without end."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

import orjson
import pytest
from joserfc.jwk import OctKey, RSAKey

from lms_bridge.domain.errors import Unreachable
from lms_bridge.http.client import Response
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.key_sets import FRESH_SECONDS, STALE_SECONDS, KeySets, KeysOf
from lms_bridge.lti.outside_waits import OutsideWaits
from tests.integration.lti_platform.waiting import until

A, B = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
ADDRESS = "https://lms.example.org/jwks"


def keys_of(sets: KeySets, address: str = ADDRESS, party: str = "ONE") -> KeysOf:
    return KeysOf(sets, address, private_addresses=False, party=party)


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
        self.gate.wait(120)
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
    return KeySets(lambda private: made, clock=clock, wait_seconds=120)


def code(sets: KeySets, kid: str) -> str:
    with pytest.raises(LtiRefused) as caught:
        sets.key(keys_of(sets), kid)
    return caught.value.code


def test_a_key_set_is_fetched_once_while_it_is_fresh(
    sets: KeySets, site: Site, clock: Clock
) -> None:
    first = sets.key(keys_of(sets), "a")
    assert first is not None
    assert sets.key(keys_of(sets), "a") is first
    assert site.fetches == 1
    clock.now += FRESH_SECONDS
    site.gate.clear()
    assert sets.key(keys_of(sets), "a") is first  # the stale one, while the set is fetched
    site.gate.set()
    until(lambda: sets.key(keys_of(sets), "a") is not first)
    assert site.fetches == 2


def test_a_rotated_key_works_at_once(sets: KeySets, site: Site) -> None:
    sets.key(keys_of(sets), "a")
    site.keys = {"b": B}
    assert sets.key(keys_of(sets), "b") is not None
    assert sets.key(keys_of(sets), "a") is None
    assert site.fetches == 3


def test_unknown_keys_do_not_cause_endless_requests(
    sets: KeySets, site: Site, clock: Clock
) -> None:
    for number in range(50):
        assert sets.key(keys_of(sets), f"guess-{number}") is None
    assert site.fetches == 1
    assert sets.key(keys_of(sets), "a") is not None
    clock.now += 11
    assert sets.key(keys_of(sets), "guess") is None
    assert site.fetches == 2


def test_many_launches_fetch_a_key_set_once_and_few_of_them_wait(sets: KeySets, site: Site) -> None:
    site.gate.clear()
    found: list[object] = []

    def launch() -> None:
        try:
            found.append(sets.key(keys_of(sets), "a"))
        except LtiRefused as error:
            found.append((error.code, error.status, error.after > 0))

    threads = [threading.Thread(target=launch) for _ in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: len(found) == 19)
    assert set(found) == {("keys-awaited", 503, True)}
    site.gate.set()
    for thread in threads:
        thread.join()
    assert site.fetches == 1
    assert sets.key(keys_of(sets), "a") is found[-1]


def test_a_slow_party_leaves_places_to_others(site: Site, clock: Clock) -> None:
    slow: Any = site
    quick: Any = Site()
    site.gate.clear()
    sets = KeySets(
        lambda private: slow if private else quick,
        clock=clock,
        waits=OutsideWaits(8),
        wait_seconds=120,
    )
    held = KeysOf(sets, ADDRESS, private_addresses=True, party="SLOW")
    other = KeysOf(sets, f"{ADDRESS}/2", private_addresses=True, party="SLOW")

    thread = threading.Thread(target=lambda: sets.key(held, "a"))
    thread.start()
    until(lambda: site.fetches == 1)
    for each in (held, other):
        with pytest.raises(LtiRefused) as caught:
            sets.key(each, "a")
        assert caught.value.code == "keys-awaited"
    assert sets.key(keys_of(sets, party="QUICK"), "a") is not None
    site.gate.set()
    thread.join()


def test_a_wait_for_keys_is_bounded(site: Site, clock: Clock) -> None:
    made: Any = site
    site.gate.clear()
    sets = KeySets(lambda private: made, clock=clock, wait_seconds=0.01)
    assert code(sets, "a") == "keys-awaited"
    site.gate.set()
    until(lambda: sets.key(keys_of(sets), "a") is not None)
    assert site.fetches == 1


def test_a_single_thread_never_waits(site: Site, clock: Clock) -> None:
    made: Any = site
    site.gate.clear()
    sets = KeySets(lambda private: made, clock=clock, waits=OutsideWaits(1), wait_seconds=120)
    assert code(sets, "a") == "keys-awaited"
    site.gate.set()
    until(lambda: not sets._kept[ADDRESS, False].fetching)
    assert sets.key(keys_of(sets), "a") is not None


@pytest.mark.parametrize(("threads", "places"), [(1, 0), (2, 1), (4, 1), (8, 2), (32, 8)])
def test_a_quarter_of_the_threads_may_wait(threads: int, places: int) -> None:
    waits = OutsideWaits(threads)
    with ExitStack() as held:
        for number in range(places):
            held.enter_context(waits.place(f"party {number}"))
        with pytest.raises(LtiRefused), waits.place("another"):
            pass
    for _ in range(3):
        with ExitStack() as held:
            for number in range(places):
                held.enter_context(waits.place(f"party {number}"))


def test_keys_are_warmed_without_waiting(sets: KeySets, site: Site) -> None:
    site.gate.clear()
    sets.warm(keys_of(sets))
    sets.warm(keys_of(sets, ""))
    site.gate.set()
    until(lambda: not sets._kept[ADDRESS, False].fetching)
    assert sets.key(keys_of(sets), "a") is not None
    assert site.fetches == 1


def test_a_new_key_under_an_old_name_is_fetched_once(
    sets: KeySets, site: Site, clock: Clock
) -> None:
    old = sets.key(keys_of(sets), "a")
    assert old is not None
    for _ in range(20):
        assert sets.newer_key(keys_of(sets), "a", old) is None
    assert site.fetches == 2
    site.keys = {"a": B}
    clock.now += 11
    newer = sets.newer_key(keys_of(sets), "a", old)
    assert newer is not None
    assert newer.thumbprint() == B.thumbprint()
    assert sets.newer_key(keys_of(sets), "a", old) is newer  # another thread fetched it
    assert site.fetches == 3


def test_a_check_of_an_operator_fetches_anew(sets: KeySets, site: Site) -> None:
    sets.fetch(keys_of(sets))
    site.away = True
    with pytest.raises(LtiRefused) as caught:
        sets.fetch(keys_of(sets))
    assert (caught.value.code, caught.value.status) == ("keys-unreachable", 503)
    assert site.fetches == 2


def test_an_outage_stops_nobody_for_a_day(sets: KeySets, site: Site, clock: Clock) -> None:
    sets.key(keys_of(sets), "a")
    site.away = True
    clock.now += FRESH_SECONDS + 1
    assert sets.key(keys_of(sets), "a") is not None
    until(lambda: not sets._kept[ADDRESS, False].fetching)
    assert code(sets, "b") == "keys-unreachable"
    clock.now += STALE_SECONDS
    assert code(sets, "a") == "keys-unreachable"
    site.away = False
    clock.now += 11
    assert sets.key(keys_of(sets), "a") is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"keys": 5}', b'"keys"'])
def test_an_unreadable_key_set_is_refused(sets: KeySets, site: Site, body: bytes) -> None:
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
    assert sets.key(keys_of(sets), "a") is None
    assert sets.key(keys_of(sets), "b") is not None


@pytest.mark.parametrize("told", [{}, {"use": "sig", "alg": "RS256"}, {"use": None, "alg": None}])
def test_a_key_need_not_tell_its_use(sets: KeySets, site: Site, told: dict[str, Any]) -> None:
    key = A.as_dict(private=False)
    entry = {name: key[name] for name in ("kty", "n", "e")} | told | {"kid": "a", "x5c": None}
    site.body = orjson.dumps({"keys": [entry]})
    assert sets.key(keys_of(sets), "a") is not None


def test_a_private_key_that_was_published_is_used_as_a_public_one(
    sets: KeySets, site: Site
) -> None:
    site.body = orjson.dumps({"keys": [{**A.as_dict(private=True), "kid": "a"}]})
    found = sets.key(keys_of(sets), "a")
    assert found is not None
    assert not found.is_private


def test_a_missing_address_is_reported(sets: KeySets) -> None:
    with pytest.raises(LtiRefused) as caught:
        sets.key(keys_of(sets, ""), "a")
    assert caught.value.code == "keys-unset"
