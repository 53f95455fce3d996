"""`/tokens`: made and ended by forms of the bridge's own pages, by operators."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lms_bridge.api import tokens
from lms_bridge.domain.access import Scope
from tests.integration.api.world import World
from tests.operators import own_field

OWN = {"Origin": "http://localhost"}
WISH = {"purpose": "Sample", "centre": "ONE", "scope": ["offerings:read", "nonsense"]}


def make(world: World, headers: dict[str, str] | None = None, **more: Any) -> Any:
    form = {**WISH, **own_field(world.operator), **more.pop("form", {})}
    return world.operator.post(
        "/tokens", data=form, headers=OWN if headers is None else headers, **more
    )


def kept(world: World) -> list[Any]:
    with world.bridge.database.reading() as tx:
        return tokens.all_tokens(tx)


def test_a_token_is_created_shown_once_used_and_revoked(world: World) -> None:
    assert "There is no token yet" in world.operator.get("/tokens").get_data(as_text=True)
    page = make(world).get_data(as_text=True)
    text = re.findall(r"lmsb_\w{12}_[\w-]{43}", page)
    assert len(text) == 1
    again = make(world)  # a double click
    assert again.status_code == 400
    assert "There is such a token already" in again.get_data(as_text=True)
    assert world.get("/offerings?view=mine", text[0]).status_code == 200
    (token,) = kept(world)
    assert (token.reach.centre, token.scopes) == ("ONE", {Scope.READ_OFFERINGS})
    later = world.operator.get("/tokens").get_data(as_text=True)
    assert token.prefix in later
    assert text[0] not in later
    assert "<script" not in later
    ended = world.operator.post(
        f"/tokens/{token.prefix}/revoke", data=own_field(world.operator), headers=OWN
    )
    assert ended.status_code == 303
    assert world.get("/offerings?view=mine", text[0]).status_code == 401
    assert ">revoked<" in world.operator.get("/tokens").get_data(as_text=True)


def test_a_wrong_form_is_refused_with_its_problem(world: World) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"purpose": " "},
        {"scope": []},
        {"region": "africa"},
        {"centre": "NONE"},
    )
    for form in wrong:
        answer = make(world, form=form)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.get_data(as_text=True)
    assert kept(world) == []


@pytest.mark.parametrize(
    ("field", "text"),
    [("days", "x"), ("days", "36526"), ("per_minute", "x"), ("per_minute", "1000001")],
)
def test_a_wrong_limit_is_marked_at_its_field(world: World, field: str, text: str) -> None:
    page = make(world, form={field: text}).get_data(as_text=True)
    (marked,) = re.findall(r'<input[^>]*aria-invalid="true"[^>]*>', page)
    assert f'name="{field}"' in marked
    assert kept(world) == []


def test_forms_of_other_sites_and_strangers_create_no_token(world: World) -> None:
    for headers in (
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
    ):
        assert make(world, headers).status_code == 403
    for method in ("GET", "POST"):
        assert (
            world.client.open("/tokens", method=method, data=WISH, headers=OWN).status_code == 401
        )
    assert kept(world) == []
