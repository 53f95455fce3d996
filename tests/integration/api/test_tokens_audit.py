"""Who made a token or ended one, by what, and what it may do: kept among the runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lms_bridge.admin import queries
from lms_bridge.api import tokens
from lms_bridge.api.tokens import NewToken, create_token, revoke_token
from lms_bridge.audit import COMMAND, Actor, Subject
from lms_bridge.domain.access import EVERYTHING, DataScope, Scope, Token
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from tests.integration.api.test_tokens_page import OWN, WISH, make
from tests.integration.api.world import World, open_world
from tests.integration.audited import Act, acts, all_that_is_kept
from tests.integration.lti_platform.waiting import until, waits
from tests.operators import NAME, own_field

PAGE = ("page", NAME)


def kept(world: World) -> list[Act]:
    return acts(world.bridge.database, Subject.TOKEN)


def by(who: str) -> Actor:
    return Actor(who, COMMAND, utc_now())


def made(world: World, reach: DataScope = EVERYTHING, **new: Any) -> tuple[Token, str]:
    requested = NewToken("Sample", [Scope.READ_OPERATIONS], reach, **new)
    return create_token(world.bridge.database, requested, ["africa"], by=by("one"))


def test_the_audit_keeps_a_token_created_and_revoked_on_the_page(either: World) -> None:
    text = make(either, form={"days": "7", "purpose": "of sample@example.org"})
    prefix = text.get_data(as_text=True).partition("lmsb_")[2][:12]
    secret = text.get_data(as_text=True).partition(f"lmsb_{prefix}_")[2][:43]
    for _ in range(2):  # the second time it is ended already
        own = own_field(either.operator)
        either.operator.post(f"/tokens/{prefix}/revoke", data=own, headers=OWN)
    with either.bridge.database.reading() as tx:
        (token,) = tokens.all_tokens(tx)
    begun, ended = kept(either)
    assert begun[:2] == ("make", PAGE)
    assert list(begun.fields) == ["purpose", "centre", "scopes", "expires_at"]
    assert begun.fields["centre"] == [None, WISH["centre"]]
    assert begun.fields["scopes"] == [None, ["offerings:read"]]
    assert token.revoked_at is not None
    moment = f"{token.revoked_at.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    assert ended == ("revoke", PAGE, {"revoked_at": [None, moment]})
    everything = all_that_is_kept(either.bridge.database)
    assert prefix in everything
    assert len(secret) == 43
    assert secret not in everything
    assert "sample@" not in everything
    page = either.operator.get("/runs/1").get_data(as_text=True)
    assert f"page, <bdi>{NAME}</bdi>" in page
    assert "offerings:read" in page


def test_the_audit_keeps_a_token_created_and_revoked_by_a_command(either: World) -> None:
    token, _ = made(either, DataScope(region="africa"), per_minute=9)
    revoke_token(either.bridge.database, token.prefix, by=by("another"))
    begun, ended = kept(either)
    assert begun.by == ("command", "one")
    assert begun.fields == {
        "purpose": [None, "Sample"],
        "region": [None, "africa"],
        "scopes": [None, ["operations:read"]],
        "per_minute": [None, 9],
    }
    assert ended[:2] == ("revoke", ("command", "another"))


def test_a_refused_token_leaves_nothing_in_the_audit(
    either: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound):
        made(either, DataScope("NONE"))
    with pytest.raises(NotFound):
        revoke_token(either.bridge.database, "nobodys", by=by("one"))
    assert kept(either) == []

    def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("lms_bridge.store.runs.finish_run", refuse)
    with pytest.raises(OSError, match="disk"):
        made(either)
    with either.bridge.database.reading() as tx:
        assert tokens.all_tokens(tx) == []  # nothing changes that the audit does not tell
    assert kept(either) == []


def test_simultaneous_revocations_are_audited_once(postgres_address: str) -> None:
    world = open_world(postgres_address)
    database = world.bridge.database
    token, _ = made(world)
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as tx:
            assert tokens.revoke(tx, token.prefix, utc_now(), "one") is not None
            other = pool.submit(revoke_token, database, token.prefix, by=by("another"))
            until(lambda: other.done() or waits(database))
        other.result(timeout=120)
    assert [act.action for act in kept(world)] == ["make"]  # whoever was slower ended nothing
    world.bridge.close()


def test_a_centre_sees_only_the_audit_of_its_own_tokens(either: World) -> None:
    _, everybodys = made(either)
    _, ones = made(either, DataScope("ONE"))
    made(either, DataScope("TWO"))
    _, africas = made(either, DataScope(region="africa"))

    def seen(token: str) -> list[str]:
        return [run["centre"] for run in either.get("/runs", token).get_json()["items"]]

    assert seen(everybodys) == ["", "TWO", "ONE", ""]
    assert seen(ones) == ["ONE"]
    assert seen(africas) == ["TWO", "ONE"]
    assert [either.get(f"/runs/{n}", ones).status_code for n in (1, 2, 3, 4)] == [
        *(404, 200, 404, 404)
    ]
    (item,) = either.get("/runs/2/items", ones).get_json()["items"]
    assert (item["kind"], item["system"]) == ("token", "centre:ONE")
    assert item["fields"]["scopes"] == [None, ["operations:read"]]
    assert either.get("/runs/3/items", ones).status_code == 404
    with either.bridge.database.reading() as tx:
        assert queries.last_run_of_each(tx) == {}  # none that a centre ran
