"""The services of a platform, called over real HTTP: each hole of PyLTI1p3 has its test here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from lms_bridge.domain.errors import (
    AccessDenied,
    NotUnderstood,
    RecordRefused,
    StopRun,
    Unreachable,
)
from lms_bridge.domain.ports import Limits
from lms_bridge.http import Response
from lms_bridge.lti.tool.connections import Connections
from lms_bridge.lti.tool.connector import Connector, Tokens, next_page
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.services import (
    Delivery,
    LineItem,
    Score,
    create,
    find_or_create,
    line_items,
    memberships,
    post_score,
    results,
    update,
)
from lms_bridge.lti.tool.services.values import with_ending, with_query
from tests.integration.lti_tool.conftest import Site, party_of
from tests.peers.platform import Platform

AT = datetime(2026, 11, 23, 18, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def connections(site: Site) -> Iterator[Connections]:
    limits = Limits(connect_seconds=1, read_seconds=0.4, attempts=1)
    made = Connections(site.tool.room, limits)
    yield made
    made.close()


@pytest.fixture
def connector(connections: Connections, platform: Platform) -> Connector:
    return connections.to(party_of(platform))


@pytest.fixture
def grading(platform: Platform) -> Grading:
    return Grading(
        line_items=f"{platform.address}/Items?type_id=1",
        line_item=f"{platform.address}/Items/6/lineitem?type_id=1",
    )


def _score(platform: Platform, **more: object) -> tuple[str, Score]:
    given: dict[str, object] = {
        "person": "4",
        "score": Decimal("15.5"),
        "maximum": Decimal(20),
        "at": AT,
        **more,
    }
    return f"{platform.address}/Items/6/lineitem?type_id=1", Score(**given)  # type: ignore[arg-type]


# ---- tokens ---------------------------------------------------------------------------


def test_one_token_serves_until_it_expires(
    connector: Connector, grading: Grading, platform: Platform
) -> None:
    for _ in range(3):
        line_items(connector, grading)
    assert platform.count("/token") == 1
    (assertion,) = platform.assertions
    assert assertion["iss"] == assertion["sub"] == "client-1"
    assert assertion["aud"] == f"{platform.address}/token"
    assert assertion["exp"] - assertion["iat"] <= 70
    assert assertion["jti"]


@pytest.mark.parametrize("seconds", [20, 0, -5])
def test_a_token_that_is_soon_over_is_not_used_again(
    seconds: int, connector: Connector, grading: Grading, platform: Platform
) -> None:
    platform.token_seconds = seconds
    line_items(connector, grading)
    line_items(connector, grading)
    assert platform.count("/token") == 2


@pytest.mark.parametrize("seconds", [None, "soon", "3600", {}])
def test_odd_lives_of_tokens(
    seconds: object, connector: Connector, grading: Grading, platform: Platform
) -> None:
    platform.token_seconds = seconds
    line_items(connector, grading)
    line_items(connector, grading)
    assert platform.count("/token") == 1


def test_expiry_by_the_clock() -> None:
    now = [0.0]
    tokens = Tokens(clock=lambda: now[0])
    tokens.keep(("x",), "t", 100)
    now[0] = 69.0
    assert tokens.find(("x",)) == "t"
    now[0] = 70.0
    assert tokens.find(("x",)) is None


def test_a_token_withdrawn_early_is_fetched_anew(
    connector: Connector, grading: Grading, platform: Platform
) -> None:
    line_items(connector, grading)
    platform.withdrawn = True
    line_items(connector, grading)
    assert platform.count("/token") == 2


def test_a_platform_that_accepts_no_token(connector: Connector, platform: Platform) -> None:
    platform.refuses_tokens = True
    with pytest.raises(AccessDenied):
        connector.call("GET", f"{platform.address}/Items", ["x"])
    assert platform.count("/token") == 2


def test_time_outs(connector: Connector, grading: Grading, platform: Platform) -> None:
    platform.wait_seconds = 1.0
    with pytest.raises(Unreachable) as failure:
        line_items(connector, grading)
    assert failure.value.code == "timed-out"


# ---- line items -----------------------------------------------------------------------


def test_line_items_are_found_or_made_once(
    connector: Connector, grading: Grading, platform: Platform
) -> None:
    wanted = LineItem("Result", Decimal(100), resource_id="ITU-2", tag="result")
    made = find_or_create(connector, grading, wanted)
    assert made.address == f"{platform.address}/Items/6/lineitem?type_id=1"
    assert find_or_create(connector, grading, wanted) == made
    other = create(connector, grading, replace(wanted, resource_id="ITU-3"))
    assert other.address != made.address
    assert len(platform.line_items) == 2
    assert line_items(connector, grading, resource_id="ITU-3") == [other]
    changed = update(connector, replace(made, label="Final result"))
    assert changed.label == "Final result"
    assert platform.line_items[made.address]["label"] == "Final result"


def test_queries_are_kept(connector: Connector, grading: Grading, platform: Platform) -> None:
    line_items(connector, grading, resource_id="ITU-2")
    assert "GET /Items?type_id=1&resource_id=ITU-2" in platform.asked
    post_score(connector, *_score(platform))
    assert "POST /Items/6/lineitem/scores?type_id=1" in platform.asked


@pytest.mark.parametrize(
    ("address", "ending"),
    [
        ("https://x.example/i/6?type_id=1", "https://x.example/i/6/scores?type_id=1"),
        ("https://x.example/i/6/", "https://x.example/i/6/scores"),
        ("https://x.example/i?a=1?b=2", "https://x.example/i/scores?a=1?b=2"),
        ("https://x.example/I/É%2F?q", "https://x.example/I/É%2F/scores?q"),
    ],
)
def test_endings(address: str, ending: str) -> None:
    assert with_ending(address, "scores") == ending


def test_parameters_join_those_there_are() -> None:
    assert with_query("https://x.example/m?a=1&b=", {"rlid": "7"}) == (
        "https://x.example/m?a=1&b=&rlid=7"
    )
    assert with_query("https://x.example/m?rlid=1", {"rlid": "7"}) == "https://x.example/m?rlid=7"


# ---- scores ---------------------------------------------------------------------------


def test_scores(connector: Connector, platform: Platform) -> None:
    assert post_score(connector, *_score(platform)) is Delivery.TAKEN
    (sent,) = platform.scores
    assert sent == {
        "item": 6,
        "userId": "4",
        "scoreGiven": 15.5,
        "scoreMaximum": 20,
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "timestamp": "2026-11-23T18:00:00.250Z",
    }


def test_zero_is_a_score(connector: Connector, platform: Platform) -> None:
    post_score(connector, *_score(platform, score=Decimal(0)))
    assert platform.scores[0]["scoreGiven"] == 0


def test_no_score(connector: Connector, platform: Platform) -> None:
    post_score(connector, *_score(platform, score=None, completed=False))
    assert "scoreGiven" not in platform.scores[0]
    assert platform.scores[0]["gradingProgress"] == "NotReady"


def test_times_of_other_zones(connector: Connector, platform: Platform) -> None:
    there = AT.astimezone(timezone(timedelta(hours=3)))
    post_score(connector, *_score(platform, at=there))
    assert platform.scores[0]["timestamp"] == "2026-11-23T18:00:00.250Z"


def test_a_repeat_and_an_older_score_are_harmless(connector: Connector, platform: Platform) -> None:
    post_score(connector, *_score(platform))
    assert post_score(connector, *_score(platform)) is Delivery.OLDER
    older = _score(platform, at=AT - timedelta(hours=1))
    assert post_score(connector, *older) is Delivery.OLDER
    assert len(platform.scores) == 1


def test_a_score_of_nobody(connector: Connector, platform: Platform) -> None:
    with pytest.raises(RecordRefused) as failure:
        post_score(connector, *_score(platform, person="nobody"))
    assert "nobody" not in str(failure.value)


def test_results_as_texts(connector: Connector, platform: Platform) -> None:
    post_score(connector, *_score(platform))
    (found,) = results(connector, f"{platform.address}/Items/6/lineitem?type_id=1")
    assert (found.person, found.score, found.maximum) == ("4", Decimal("15.5"), Decimal(20))


# ---- memberships ----------------------------------------------------------------------


def _people(number: int) -> list[dict[str, object]]:
    return [
        {"status": "Active", "roles": ["Learner"], "user_id": str(n), "email": f"p{n}@example.org"}
        for n in range(number)
    ]


def test_all_pages_are_read(connector: Connector, platform: Platform) -> None:
    platform.members = _people(5)
    found = list(memberships(connector, f"{platform.address}/Members", resource_link_id="17"))
    assert [each.id for each in found] == ["0", "1", "2", "3", "4"]
    assert found[0].roles == ("http://purl.imsglobal.org/vocab/lis/v2/membership#Learner",)
    assert "GET /Members?rlid=17" in platform.asked
    # As given: PyLTI1p3 would ask for /members?from=page.
    assert "GET /Members?From=Page&from=2" in platform.asked


def test_people_who_are_not_active(connector: Connector, platform: Platform) -> None:
    platform.members = [{"user_id": 7, "status": "Inactive", "roles": "Instructor"}]
    (found,) = memberships(connector, f"{platform.address}/Members")
    assert (found.id, found.active) == ("7", False)
    assert found.roles == ("http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor",)


@pytest.mark.parametrize("roles", [7, {"a": 1}, None, [None, 3], True])
def test_roles_that_are_none(connector: Connector, platform: Platform, roles: object) -> None:
    platform.members = [{"user_id": "7", "status": "Active", "roles": roles}]
    (found,) = memberships(connector, f"{platform.address}/Members")
    assert found.roles == ()


def test_a_person_without_an_id_ends_the_read(connector: Connector, platform: Platform) -> None:
    platform.members = [{"status": "Active", "roles": []}]
    with pytest.raises(StopRun):
        list(memberships(connector, f"{platform.address}/Members"))


@pytest.mark.parametrize(
    ("header", "following"),
    [
        ('<https://x.example/Page?A=B>; rel="next"', "https://x.example/Page?A=B"),
        ("<https://x.example/p>; rel=next", "https://x.example/p"),
        ('</p?x=1>; title="a"; rel="next"', "https://x.example/p?x=1"),
        ('<https://x.example/p>; rel="prev"', ""),
        (
            '<https://x.example/a>; rel="differences", <https://x.example/b>; rel="next"',
            "https://x.example/b",
        ),
        ("", ""),
    ],
)
def test_next_pages(header: str, following: str) -> None:
    answer = Response(200, "application/json", {"Link": header}, b"")
    assert next_page("https://x.example/members?limit=2", answer) == following


def test_a_next_page_elsewhere_never_sees_the_token() -> None:
    answer = Response(200, "application/json", {"Link": '<https://evil.example/>; rel="next"'}, b"")
    with pytest.raises(NotUnderstood):
        next_page("https://x.example/members", answer)
