"""How often an address may ask that shows no good token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from werkzeug.test import TestResponse

from lms_bridge.domain.access import Scope
from lms_bridge.server.app import create_app
from lms_bridge.settings import Settings
from lms_bridge.web.client_address import client_address, networks
from tests.integration.api.test_tokens import code, within_a_minute
from tests.integration.api.world import World, open_world

READ = Scope.READ_OFFERINGS


def few(settings: Settings) -> Settings:
    return replace(
        settings,
        api=replace(settings.api, open_requests_per_minute=3),
        web=replace(settings.web, trusted_proxies="127.0.0.0/8 ::1"),
    )


@pytest.fixture
def strict(sqlite_address: str) -> Iterator[World]:
    """A world in which an address without a token may ask three times in a minute."""
    made = open_world(sqlite_address, few)
    yield made
    made.bridge.close()


def come(world: World, peer: str, *paths: str, **headers: str) -> list[TestResponse]:
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    origin = {"REMOTE_ADDR": peer}
    return [world.get(path, headers=head, environ_overrides=origin) for path in paths]


def statuses(answers: list[TestResponse]) -> list[int]:
    return [each.status_code for each in answers]


def test_what_a_stranger_wrote_before_a_proxys_words_is_not_kept(strict: World) -> None:
    misses = client_address.cache_info().misses
    for number in range(5):
        forwarded = f"{number}.1.1.1, " * 2_000 + "x" * 500 + ", 203.0.113.77"
        come(strict, "127.0.0.1", "/centres", X_Forwarded_For=forwarded)
    assert client_address.cache_info().misses == misses + 1


FOUR = ("/centres", "/offerings", "/courses", "/offerings/ONE-open")


def test_each_address_has_its_own_limit(strict: World) -> None:
    def ask() -> list[TestResponse]:
        world = anew(strict)
        return come(world, "203.0.113.1", *FOUR) + come(world, "203.0.113.2", "/centres")

    answers = within_a_minute(ask)
    assert statuses(answers) == [200, 200, 401, 429, 200]
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0", "2"]
    assert all(each.headers["RateLimit-Limit"] == "3" for each in answers)
    assert code(answers[3]) == "too-many-requests"
    assert answers[3].headers["Retry-After"] == answers[3].headers["RateLimit-Reset"]
    assert anew(strict).get("/token").get_json()["per_minute"] == 3
    token = strict.token(READ)
    assert strict.get("/courses", token).headers["RateLimit-Limit"] == "600"


def anew(world: World) -> World:
    """Another process of the same world, which has counted nothing yet."""
    return World(world.bridge, create_app(world.bridge).test_client(), world.ids)


def test_a_good_token_is_not_counted_by_its_address(strict: World) -> None:
    token = strict.token(READ)
    answers = within_a_minute(lambda: [strict.get("/courses", token) for _ in range(5)])
    assert statuses(answers) == [200] * 5


def test_bad_tokens_and_signatures_count_against_the_limit(strict: World) -> None:
    def ask() -> list[TestResponse]:
        world = anew(strict)
        bad = [world.get("/courses", "lmsb_nonsense") for _ in range(2)]
        head = {"webhook-signature": "v1,x"}
        return [*bad, *(world.post("/events", headers=head) for _ in range(2))]

    assert statuses(within_a_minute(ask)) == [401, 401, 401, 429]


def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(strict: World) -> None:
    """Its word is taken only where it is a trusted one; what a visitor says of itself, never."""

    def ask() -> list[TestResponse]:
        world = anew(strict)
        reported = "198.51.100.9, 203.0.113.7"
        return [
            *come(world, "127.0.0.1", *FOUR[:2], X_Forwarded_For=reported),
            *come(world, "203.0.113.7", *FOUR[:2]),
            *come(world, "203.0.113.8", *FOUR, X_Forwarded_For="198.51.100.10"),
        ]

    answers = within_a_minute(ask)
    assert statuses(answers) == [200, 200, 200, 429, 200, 200, 401, 429]


def test_a_limit_of_zero_is_no_limit(sqlite_address: str) -> None:
    def none(settings: Settings) -> Settings:
        return replace(settings, api=replace(settings.api, open_requests_per_minute=0))

    world = open_world(sqlite_address, none)
    answer = world.get("/centres")
    world.bridge.close()
    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer.headers


def test_the_number_of_counted_addresses_is_bounded(
    strict: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms_bridge.web.visitors.MOST_ADDRESSES", 5)

    def ask() -> list[TestResponse]:
        world = anew(strict)
        return [
            answer
            for last in range(1, 11)
            for answer in come(world, f"203.0.113.{last}", "/centres")
        ]

    assert statuses(within_a_minute(ask)) == [200] * 8 + [429] * 2


LOCAL = networks("127.0.0.0/8 ::1 10.0.0.0/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "who"),
    [
        ("203.0.113.1", "", "203.0.113.1"),
        ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.5", "203.0.113.5"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.5 , 10.1.2.3", "203.0.113.5"),
        ("127.0.0.1", "198.51.100.1, unknown", "127.0.0.1"),
        ("127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
        ("", "198.51.100.1", ""),
        ("unix:", "", "unix:"),
    ],
)
def test_the_client_address_is_taken_from_trusted_proxies_only(
    peer: str, forwarded: str, who: str
) -> None:
    assert client_address(peer, forwarded, LOCAL) == who


def test_no_redirect_leads_to_the_host_that_a_request_names(world: World) -> None:
    for path in ("/catalogue//x", "/offerings//x/register", "/api/v1//centres"):
        answer = world.client.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 404, path
        assert "Location" not in answer.headers
