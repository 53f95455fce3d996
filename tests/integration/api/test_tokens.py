"""Tokens: who is let in, how often, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from lms_bridge.api import tokens
from lms_bridge.api.tokens import NewToken, create_token, revoke_token
from lms_bridge.audit import COMMAND, Actor
from lms_bridge.bridge import WaitingSlots
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.server.app import create_app
from lms_bridge.store import leases
from lms_bridge.store.api_tables import api_token
from tests.integration.api.world import World, open_world

READ = Scope.READ_OFFERINGS


def by(who: str) -> Actor:
    return Actor(who, COMMAND, utc_now())


def code(response: object) -> str:
    text: str = response.get_json()["code"]  # type: ignore[attr-defined]  # a test client's
    return text


def test_the_secret_of_a_token_is_not_stored(either: World) -> None:
    text = either.token()
    secret = text.rpartition("_")[2] if text.count("_") == 2 else text[18:]
    with either.bridge.database.reading() as tx:
        row = tx.execute(select(api_token)).one()
    assert text[18:] not in repr(row)
    assert secret not in repr(row)
    assert row.prefix == text[5:17]


def test_only_a_complete_token_is_accepted(either: World) -> None:
    good = either.token(READ)
    assert either.get("/courses", good).status_code == 200
    guessed = good[:-1] + ("B" if good.endswith("A") else "A")  # right in form and prefix
    for wrong in (
        guessed,
        good[:-1],
        good + "x",
        good[:-1] + "?",
        "lmsb_" + "a" * 12 + "_" + "b" * 43,
        "xyz",
    ):
        refused = either.get("/courses", wrong)
        assert (refused.status_code, code(refused)) == (401, "token-refused")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert wrong not in refused.get_data(as_text=True)
    missing = either.get("/courses")
    assert (missing.status_code, code(missing)) == (401, "token-missing")


def test_an_invalid_token_is_refused_even_on_open_routes(world: World) -> None:
    """Not even what is open to everybody: who sends one means to be known."""
    assert world.get("/centres").status_code == 200
    assert world.get("/centres", "lmsb_wrong").status_code == 401


def test_a_token_that_is_revoked_while_its_request_waits_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The centre is being synced when the request comes, and free when the token is revoked."""
    database = world.bridge.database
    made, text = world.made_token()
    with database.writing() as tx:
        leases.take(tx, "run:ONE", "another machine|1|x", utc_now(), 600)

    @contextmanager
    def slot(_: WaitingSlots, centre: str) -> Iterator[bool]:
        revoke_token(database, made.prefix, by=by("root"))
        with database.writing() as tx:
            leases.give_back(tx, "run:ONE", "another machine|1|x")
        yield True

    monkeypatch.setattr(WaitingSlots, "slot", slot)
    refused = world.post("/offerings/ONE-open/cancel", text)
    assert (refused.status_code, code(refused)) == (401, "token-refused")
    kept = world.get("/offerings/ONE-open", world.token(READ)).get_json()
    assert kept["status"] == "published"
    assert world.post("/offerings/ONE-open/cancel", world.token()).status_code == 200


def test_revoked_and_expired_tokens_are_refused_at_once(either: World) -> None:
    token = either.token(READ)
    assert either.get("/courses", token).status_code == 200
    revoke_token(either.bridge.database, token[5:17], by=by("test"))
    assert code(either.get("/courses", token)) == "token-refused"
    old = either.token(READ, expires_at=utc_now() - timedelta(seconds=1))
    assert code(either.get("/courses", old)) == "token-refused"
    with pytest.raises(NotFound):
        revoke_token(either.bridge.database, "nobodys", by=by("test"))


def test_a_token_without_the_scope_is_refused(world: World) -> None:
    refused = world.get("/courses", world.token(Scope.READ_RESULTS))
    assert (refused.status_code, code(refused)) == (403, "scope-missing")
    shown = world.get("/token", world.token(READ, reach=DataScope(region="africa"))).get_json()
    assert shown["scopes"] == [READ]
    assert (shown["region"], shown["centre"]) == ("africa", "")


@pytest.mark.parametrize(
    ("new", "refusal"),
    [
        (NewToken(" ", [READ]), "no-purpose"),
        (NewToken("x", []), "no-scope"),
        (NewToken("x", [READ], DataScope("ONE", "africa")), "two-reaches"),
        (NewToken("x", [Scope.REVIEW_OFFERINGS], DataScope("ONE")), "scope-not-for-centres"),
        (NewToken("x", [READ], DataScope(region="atlantis")), "no-such-region"),
        (NewToken("x", [READ], DataScope("NONE")), "no-such-centre"),
    ],
)
def test_a_token_with_an_invalid_request_is_not_created(
    world: World, new: NewToken, refusal: str
) -> None:
    with pytest.raises(Refused) as raised:
        create_token(world.bridge.database, new, ["africa"], by=by("test"))
    assert raised.value.code == refusal
    with world.bridge.database.reading() as tx:
        assert tokens.all_tokens(tx) == []


def test_the_actors_who_create_and_revoke_a_token_are_logged(world: World) -> None:
    database = world.bridge.database
    with capture_logs() as logged:
        made, text = create_token(database, NewToken("x", [READ]), [], by=by("one"))
        revoke_token(database, made.prefix, by=by("another"))
    reported = [(line["prefix"], line["change"], line["by"]) for line in logged]
    assert reported == [(made.prefix, "made", "one"), (made.prefix, "revoked", "another")]
    assert text[18:] not in repr(logged)


# ---- how often ---------------------------------------------------------------------------------


def test_requests_above_the_limit_of_a_minute_are_refused(either: World) -> None:
    answers = within_a_minute(lambda: _seven(either, either.token(READ, per_minute=5)))
    assert [each.status_code for each in answers] == [200] * 5 + [429] * 2
    for each in answers:
        assert each.headers["RateLimit-Limit"] == "5"
        assert 0 < int(each.headers["RateLimit-Reset"]) <= 60
    last = answers[-1]
    assert code(last) == "too-many-requests"
    assert last.headers["Retry-After"] == last.headers["RateLimit-Reset"]
    left = [int(each.headers["RateLimit-Remaining"]) for each in answers]
    assert left == [4, 3, 2, 1, 0, 0, 0]


def _seven(world: World, token: str) -> list[TestResponse]:
    return [world.get("/courses", token) for _ in range(7)]


def within_a_minute(ask: Callable[[], list[TestResponse]]) -> list[TestResponse]:
    """Answers that all fell into one minute of the clock: with the next one the count begins
    anew."""
    for _ in range(5):
        answers = ask()
        resets = [int(each.headers["RateLimit-Reset"]) for each in answers]
        if resets == sorted(resets, reverse=True):
            return answers
    raise AssertionError("requests took longer than a minute, five times")


def test_the_limit_holds_over_all_processes(either: World) -> None:
    """What several processes take of one minute never exceeds the limit, whoever is first."""
    token = either.token(READ, per_minute=100)
    with either.bridge.database.reading() as tx:
        known = tokens.find(tx, token)
    assert known is not None

    def take(_: int) -> int:
        with either.bridge.database.writing() as tx:
            return tokens.reserve(tx, known.id, 7, 5, utc_now())

    with ThreadPoolExecutor(8) as pool:
        given = sorted(pool.map(take, range(40)))
    assert given == [5 * n for n in range(1, 41)]
    with either.bridge.database.writing() as tx:
        assert tokens.reserve(tx, known.id, 8, 5, utc_now()) == 5  # the next minute


def test_two_processes_share_a_limit(sqlite_address: str) -> None:
    first = open_world(sqlite_address)
    second = World(first.bridge, _another(first), first.ids)

    def ask() -> list[TestResponse]:
        token = first.token(READ, per_minute=40)
        return [each.get("/courses", token) for _ in range(30) for each in (first, second)]

    statuses = [each.status_code for each in within_a_minute(ask)]
    assert statuses.count(200) == 40
    first.bridge.close()


def _another(world: World) -> FlaskClient:
    return create_app(world.bridge).test_client()


def test_the_last_use_of_a_token_is_noted(world: World) -> None:
    token = world.token(READ)
    world.get("/courses", token)
    with world.bridge.database.reading() as tx:
        (known,) = tokens.all_tokens(tx)
    assert known.used_at is not None
    assert utc_now() - known.used_at < timedelta(minutes=1)
