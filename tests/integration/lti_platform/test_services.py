"""Tokens, members, line items, scores and results, over real HTTP."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Result
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.registrations import Privacy, Status
from lms_bridge.store import enrolments, results
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import enrolment, link
from tests.integration.lti_platform.waiting import until
from tests.integration.lti_platform.world import World, add_tool, code_of


def result_of(world: World, learner: str = "acad-1", offering: str = "OFF-1") -> Result:
    """What became of all scores that came."""
    world.settle()
    found = stored_result_of(world, learner, offering)
    assert found is not None
    return found


def stored_result_of(
    world: World, learner: str = "acad-1", offering: str = "OFF-1"
) -> Result | None:
    pair = (world.ids[offering], world.ids[learner])
    with world.bridge.database.reading() as tx:
        id_ = enrolments.enrolment_ids(tx, [pair])[pair]
        found = results.results_of(tx, [id_]).get(id_)
    return found[1] if found else None


def line_item(world: World) -> str:
    return str(world.launch()[lti.AGS_ENDPOINT]["lineitem"])


def test_a_token_holds_the_requested_and_granted_scopes(world: World) -> None:
    world.change_registration(scopes=(lti.SCORE, lti.LINE_ITEM_READ))
    form = world.token_form(world.tool.sign(world.assertion()), lti.SCORE, lti.MEMBERSHIP_READ)
    answer = world.ask_token(form)
    assert answer.json()["scope"] == lti.SCORE
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("audience", "more"),
    [
        (["{}", "{}/lti/token"], {}),
        (["{}/lti/token", "https://elsewhere.example.org"], {}),
        (["{}"], {}),
        (["{}", "{}/lti/token"], {"azp": "somebody"}),
        (["{}/lti/token"], {"azp": ["somebody"]}),
    ],
)
def test_an_assertion_for_the_bridge_is_accepted_in_every_form_of_its_audience(
    world: World, audience: list[str], more: dict[str, Any]
) -> None:
    """TAO always names both the issuer and the token address."""
    named = [each.format(world.address) for each in audience]
    assertion = world.tool.sign(world.assertion(aud=named, **more))
    assert world.ask_token(world.token_form(assertion)).status_code == 200
    single = world.tool.sign(world.assertion(aud=world.address, **more))
    assert world.ask_token(world.token_form(single)).status_code == 200


@pytest.mark.parametrize(
    ("site", "status"), [("", 200), ("/", 200), ("/other", 401), (".example.org", 401)]
)
def test_a_tool_may_name_its_own_site_as_the_issuer_of_an_assertion(
    world: World, site: str, status: int
) -> None:
    """As TAO does; the subject is its client id."""
    assertion = world.tool.sign(world.assertion(iss=world.tool.address + site))
    assert world.ask_token(world.token_form(assertion)).status_code == status


def test_a_tool_cannot_ask_in_the_name_of_another_one(world: World) -> None:
    add_tool(world.lti, world.tool, client_id="another", jwks_uri="https://keys.example.org/")
    for named in ({"sub": "another"}, {"iss": "another"}, {"iss": "another", "sub": "another"}):
        assertion = world.tool.sign(world.assertion(**named))
        assert world.ask_token(world.token_form(assertion)).status_code in (401, 503)


def test_whoever_may_change_line_items_may_read_them(world: World) -> None:
    world.change_registration(scopes=(lti.LINE_ITEM,))
    claims = world.launch()[lti.AGS_ENDPOINT]
    assert lti.LINE_ITEM_READ in claims["scope"]
    token = world.token(lti.LINE_ITEM_READ)
    assert world.call("GET", claims["lineitems"], token).status_code == 200
    assert world.call("GET", claims["lineitem"], token).status_code == 200
    new = {"label": "Quiz", "scoreMaximum": 5}
    refused = world.call("POST", claims["lineitems"], token, new)
    assert (refused.status_code, code_of(refused)) == (403, "access-scope")
    world.change_registration(scopes=(lti.LINE_ITEM_READ,))
    form = world.token_form(world.tool.sign(world.assertion()), lti.LINE_ITEM)
    assert code_of(world.ask_token(form)) == "grant-scope"


def test_a_tool_may_change_its_key(world: World) -> None:
    world.token()
    world.token()
    assert world.tool.fetches == 1
    world.tool.rotate()
    world.token()
    assert world.tool.fetches == 2


def test_members_are_listed_with_the_permitted_data(either_world: World) -> None:
    world = either_world
    world.change_registration(privacy=Privacy(email=True))
    address = world.launch()[lti.NRPS_SERVICE]["context_memberships_url"]
    answer = world.call("GET", address)
    assert answer.headers["Content-Type"] == lti.MEMBERS_TYPE
    members = answer.json()["members"]
    assert [member["user_id"] for member in members] == ["acad-1", "acad-2", "acad-3"]
    assert members[0]["email"] == "l1@example.org"
    assert {member["status"] for member in members} == {"Active"}
    assert 'rel="differences"' in answer.headers["Link"]
    assert 'rel="next"' not in answer.headers["Link"]


@pytest.mark.parametrize("private", [True, False])
def test_members_are_listed_in_pages(either_world: World, private: bool) -> None:
    world = either_world
    world.change_registration(privacy=Privacy(pseudonyms=private))
    token = world.token()
    address = f"{endpoints.memberships(world.address, world.ids['OFF-1'])}?limit=2"
    seen: list[str] = []
    while address:
        answer = world.call("GET", address, token)
        seen += [member["user_id"] for member in answer.json()["members"]]
        address = answer.links.get("next", {}).get("url", "")
    assert len(set(seen)) == 3
    assert (seen[0] == "acad-1") is not private


@pytest.mark.parametrize(
    ("role", "number"),
    [("Learner", 3), (lti.LEARNER, 3), ("Instructor", 0), (lti.INSTRUCTOR, 0), ("Nobody", 0)],
)
def test_members_are_filtered_by_role(world: World, role: str, number: int) -> None:
    address = endpoints.memberships(world.address, world.ids["OFF-1"])
    answer = requests.get(
        address,
        params={"role": role},
        headers={"Authorization": f"bearer {world.token()}"},
        timeout=120,
    )
    assert len(answer.json()["members"]) == number


def test_members_of_a_resource_link_have_its_parameters(world: World) -> None:
    claims = world.launch()
    address = endpoints.memberships(world.address, world.ids["OFF-1"])
    rlid = claims[lti.RESOURCE_LINK]["id"]
    member = world.call("GET", f"{address}?rlid={rlid}").json()["members"][0]
    assert member["message"][0][lti.CUSTOM] == claims[lti.CUSTOM]
    assert code_of(world.call("GET", f"{address}?rlid=another")) == "link-unknown"


def test_changed_members_are_listed_since_a_time(either_world: World) -> None:
    world = either_world
    token = world.token()
    address = endpoints.memberships(world.address, world.ids["OFF-1"])
    differences = world.call("GET", address, token).links["differences"]["url"]
    with world.bridge.database.writing() as tx:  # the enrolments are of yesterday
        yesterday = world.lti.now() - timedelta(days=1)
        tx.execute(enrolment.update().values(changed_at=yesterday))
    assert world.call("GET", differences, token).json()["members"] == []
    pair = (world.ids["OFF-1"], world.ids["acad-1"])
    with world.bridge.database.writing() as tx:  # as nothing else tells of it
        id_ = enrolments.enrolment_ids(tx, [pair])[pair]
        gone = Enrolment("acad-1", "OFF-1", EnrolmentStatus.WITHDRAWN)
        enrolments.change_enrolments(tx, {id_: gone})
    (changed,) = world.call("GET", differences, token).json()["members"]
    assert changed == {"status": "Deleted", "user_id": "acad-1", "roles": [lti.LEARNER]}
    with world.bridge.database.writing() as tx:
        learner = {
            "kind": "learner",
            "record_id": world.ids["acad-2"],
            "at": world.lti.now(),
        }
        tx.execute(item.insert().values(run_id=1, **learner))
    found = world.call("GET", differences, token).json()["members"]
    assert [(each["user_id"], each["status"]) for each in found] == [
        ("acad-1", "Deleted"),
        ("acad-2", "Active"),
    ]


def test_line_items_are_created_listed_changed_and_deleted(either_world: World) -> None:
    world = either_world
    token, rlid = world.token(), world.launch()[lti.RESOURCE_LINK]["id"]
    address = endpoints.line_items(world.address, world.ids["OFF-1"])
    made = world.call("POST", address, token, {"label": "Quiz", "scoreMaximum": 5, "tag": "quiz"})
    assert made.status_code == 201
    assert made.headers["Content-Type"] == lti.LINE_ITEM_TYPE
    id_ = made.json()["id"]
    assert world.call("GET", id_, token).json() == made.json()
    every = world.call("GET", address, token).json()
    assert len(every) == 2
    for query, number in (
        ("tag=quiz", 1),
        ("tag=none", 0),
        (f"resource_link_id={rlid}", 1),
        ("resource_id=none", 0),
    ):
        assert len(world.call("GET", f"{address}?{query}", token).json()) == number, query
    first = world.call("GET", f"{address}?limit=1", token)
    following = world.call("GET", first.links["next"]["url"], token)
    assert first.json() + following.json() == every
    assert "next" not in following.links
    changed = {"label": "Test", "scoreMaximum": "6.5", "resourceId": "r-1"}
    assert world.call("PUT", id_, token, changed).json() == {
        "id": id_,
        "label": "Test",
        "scoreMaximum": 6.5,
        "resourceId": "r-1",
    }
    assert world.call("DELETE", id_, token).status_code == 204
    assert world.call("GET", id_, token).status_code == 404


def test_a_score_becomes_a_result(either_world: World) -> None:
    world = either_world
    address = line_item(world)
    assert world.call("POST", f"{address}/scores", body=world.score()).status_code == 204
    result = result_of(world)
    assert (result.score, result.scale_max) == (Decimal("15.5"), Decimal(20))
    assert result.completed
    assert str(result.graded_at) == "2026-03-01 10:00:00+00:00"
    (shown,) = world.call("GET", f"{address}/results").json()
    assert (shown["userId"], shown["resultScore"], shown["resultMaximum"]) == ("acad-1", 77.5, 100)
    with world.bridge.database.reading() as tx:
        rows = tx.execute(link.select().where(link.c.kind == "result")).all()
        noted = tx.execute(item.select().where(item.c.kind == "result")).all()
    assert {row.system for row in rows} == {"academy", "centre:ONE"}
    assert next(row for row in rows if row.system == "academy").desired
    assert [(row.action, row.state, row.system) for row in noted] == [
        ("create", "applied", "centre:ONE")
    ]


@pytest.mark.parametrize(
    ("comment", "shown"),
    [([], None), ({"text": "x"}, None), (5, "5"), ("c" * 11_000, "c" * 10_000)],
)
def test_an_odd_comment_costs_no_score(world: World, comment: object, shown: str | None) -> None:
    address = line_item(world)
    sent = world.call("POST", f"{address}/scores", body=world.score(comment=comment))
    assert sent.status_code == 204
    (result,) = world.call("GET", f"{address}/results").json()
    assert (result["resultScore"], result.get("comment")) == (77.5, shown)


def test_an_older_score_does_not_replace_a_newer_one(either_world: World) -> None:
    world = either_world
    address, token = f"{line_item(world)}/scores", world.token()

    def send(minute: int, **changed: Any) -> int:
        at = f"2026-03-01T10:{minute:02}:00Z"
        score = world.score(timestamp=at, **changed)
        return world.call("POST", address, token, score).status_code

    assert send(10, scoreGiven=10) == 204
    assert send(10, scoreGiven=10) == 204  # a repeat
    assert send(10, scoreGiven=11) == 409
    assert send(9, scoreGiven=12) == 409
    assert result_of(world) == Result(
        "acad-1",
        "OFF-1",
        Decimal(10),
        scale_max=Decimal(20),
        completed=True,
        completed_at=result_of(world).completed_at,
        graded_at=result_of(world).graded_at,
    )
    assert send(11, scoreGiven=0) == 204
    assert result_of(world).score == 0
    assert send(12, scoreGiven=9, gradingProgress="PendingManual") == 204
    assert result_of(world).score == 0
    assert send(13, scoreGiven=None) == 204
    assert result_of(world).score is None


def test_a_score_while_a_run_is_under_way_is_not_lost(world: World) -> None:
    from datetime import timedelta

    from lms_bridge.store import leases
    from tests.integration.lti_platform.waiting import until

    address = f"{line_item(world)}/scores"
    now = world.lti.now()
    with world.bridge.database.writing() as tx:
        leases.take(tx, "run:ONE", "somebody else", now, 60)
    assert world.call("POST", address, body=world.score()).status_code == 204
    assert stored_result_of(world) is None
    with world.bridge.database.writing() as tx:
        leases.take(tx, "run:ONE", "somebody else", now - timedelta(hours=1), 1)
    until(lambda: stored_result_of(world) is not None)


def test_the_scores_of_a_tools_own_item_count_where_the_main_one_has_none(world: World) -> None:
    token = world.token()
    main = line_item(world)
    items = endpoints.line_items(world.address, world.ids["OFF-1"])
    own = world.call("POST", items, token, {"label": "Quiz", "scoreMaximum": 5}).json()["id"]
    world.call("POST", f"{own}/scores", token, world.score(scoreGiven=3, scoreMaximum=5))
    assert result_of(world).score == 3
    world.call("POST", f"{main}/scores", token, world.score(scoreGiven=8, scoreMaximum=10))
    assert result_of(world).score == 8
    later = world.score(scoreGiven=4, scoreMaximum=5, timestamp="2026-03-02T10:00:00Z")
    world.call("POST", f"{own}/scores", token, later)
    assert result_of(world).score == 8


def test_a_score_of_a_replacement_tool_counts(either_world: World) -> None:
    """A centre's new LMS: its scores count, although the first line item was the old one's."""
    world = either_world
    score = world.score(scoreGiven=5, scoreMaximum=10)
    assert world.call("POST", f"{line_item(world)}/scores", body=score).status_code == 204
    assert result_of(world).score == 5
    world.change_registration(status=Status.DISABLED)
    world.registration = add_tool(world.lti, world.tool)
    world.tool.client_id = world.registration.client_id
    score = world.score(scoreGiven=9, scoreMaximum=10, timestamp="2026-04-01T10:00:00Z")
    assert world.call("POST", f"{line_item(world)}/scores", body=score).status_code == 204
    assert result_of(world).score == 9


def test_a_tool_of_another_centre_sees_nothing(world: World) -> None:
    item_there = line_item(world)
    world.change_registration(centre="TWO")
    for method, path in (
        ("GET", f"{item_there}/results"),
        ("POST", f"{item_there}/scores"),
        ("GET", endpoints.memberships(world.address, world.ids["OFF-1"])),
    ):
        answer = world.call(method, path, body=world.score() if method == "POST" else None)
        assert (answer.status_code, code_of(answer)) == (404, "context-unknown")
    world.settle()
    assert stored_result_of(world) is None


def test_a_score_of_a_fast_clock_holds_back_no_honest_one(world: World) -> None:
    address, token = f"{line_item(world)}/scores", world.token()
    ahead = utc_now() + timedelta(minutes=4)
    early = world.score(scoreGiven=1, timestamp=ahead.isoformat())
    assert world.call("POST", address, token, early).status_code == 204
    assert world.call("POST", address, token, early).status_code == 204  # a repeat
    honest = world.score(scoreGiven=9, timestamp=utc_now().isoformat())
    assert world.call("POST", address, token, honest).status_code == 204
    until(lambda: result_of(world).score == 9)
