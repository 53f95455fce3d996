"""Tokens: who is let in, how often, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from lms_bridge.domain.access import Reach, Scope
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.store import tokens
from lms_bridge.store.api_tables import api_token
from lms_bridge.sync.auditing import COMMAND, By
from lms_bridge.sync.tokens import Wish, end_token, make_token
from lms_bridge.sync.work import utc_now
from lms_bridge.web import create_app
from tests.integration.api.world import World, open_world

READ = Scope.READ_OFFERINGS


def by(who: str) -> By:
    return By(who, COMMAND, utc_now())


def code(response: object) -> str:
    text: str = response.get_json()["code"]  # type: ignore[attr-defined]  # a test client's
    return text


def test_nothing_of_the_secret_is_kept(either: World) -> None:
    text = either.token()
    secret = text.rpartition("_")[2] if text.count("_") == 2 else text[18:]
    with either.bridge.database.reading() as tx:
        row = tx.execute(select(api_token)).one()
    assert text[18:] not in repr(row)
    assert secret not in repr(row)
    assert row.prefix == text[5:17]


def test_who_is_let_in(either: World) -> None:
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


def test_a_token_that_is_not_valid_opens_nothing_at_all(world: World) -> None:
    """Not even what is open to everybody: who sends one means to be known."""
    assert world.get("/centres").status_code == 200
    assert world.get("/centres", "lmsb_wrong").status_code == 401


def test_revoked_and_expired_tokens_end_at_once(either: World) -> None:
    token = either.token(READ)
    assert either.get("/courses", token).status_code == 200
    end_token(either.bridge.database, token[5:17], by=by("test"))
    assert code(either.get("/courses", token)) == "token-refused"
    old = either.token(READ, expires_at=utc_now() - timedelta(seconds=1))
    assert code(either.get("/courses", old)) == "token-refused"
    with pytest.raises(NotFound):
        end_token(either.bridge.database, "nobodys", by=by("test"))


def test_a_scope_is_needed(world: World) -> None:
    refused = world.get("/courses", world.token(Scope.READ_RESULTS))
    assert (refused.status_code, code(refused)) == (403, "scope-missing")
    shown = world.get("/token", world.token(READ, reach=Reach(region="africa"))).get_json()
    assert shown["scopes"] == [READ]
    assert (shown["region"], shown["centre"]) == ("africa", "")


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        (Wish(" ", [READ]), "no-purpose"),
        (Wish("x", []), "no-scope"),
        (Wish("x", [READ], Reach("ONE", "africa")), "two-reaches"),
        (Wish("x", [Scope.REVIEW_OFFERINGS], Reach("ONE")), "scope-not-for-centres"),
        (Wish("x", [READ], Reach(region="atlantis")), "no-such-region"),
        (Wish("x", [READ], Reach("NONE")), "no-such-centre"),
    ],
)
def test_tokens_that_are_not_made(world: World, wish: Wish, refusal: str) -> None:
    with pytest.raises(Refused) as raised:
        make_token(world.bridge.database, wish, ["africa"], by=by("test"))
    assert raised.value.code == refusal
    with world.bridge.database.reading() as tx:
        assert tokens.all_tokens(tx) == []


def test_who_made_and_ended_a_token_is_logged(world: World) -> None:
    database = world.bridge.database
    with capture_logs() as logged:
        made, text = make_token(database, Wish("x", [READ]), [], by=by("one"))
        end_token(database, made.prefix, by=by("another"))
    told = [(line["prefix"], line["change"], line["by"]) for line in logged]
    assert told == [(made.prefix, "made", "one"), (made.prefix, "revoked", "another")]
    assert text[18:] not in repr(logged)


# ---- how often ---------------------------------------------------------------------------------


def test_the_limit_of_a_minute(either: World) -> None:
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


def test_last_use_is_noted(world: World) -> None:
    token = world.token(READ)
    world.get("/courses", token)
    with world.bridge.database.reading() as tx:
        (known,) = tokens.all_tokens(tx)
    assert known.used_at is not None
    assert utc_now() - known.used_at < timedelta(minutes=1)
