"""The services of a platform, called over real HTTP: each hole of PyLTI1p3 has its test here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from lms_bridge.domain.errors import (
    AccessDenied,
    NotUnderstood,
    RecordRefused,
    StopRun,
    Unreachable,
)
from lms_bridge.domain.ports import Limits
from lms_bridge.http.client import Response
from lms_bridge.lti.tool.grade_service import (
    PlatformLineItem,
    ScoreDelivery,
    SentScore,
    create,
    find_or_create,
    line_items,
    post_score,
    results,
    update,
    with_ending,
)
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.names_and_roles import memberships
from lms_bridge.lti.tool.service_client import (
    ServiceClient,
    ServiceClients,
    Tokens,
    next_page,
    with_query,
)
from tests.integration.lti_tool.conftest import Site, registration_of, site_on
from tests.peers.platform import Platform

AT = datetime(2026, 11, 23, 18, 0, 0, 250_000, tzinfo=UTC)
PATIENT = Limits(connect_seconds=120, read_seconds=120, attempts=1)


@pytest.fixture(scope="module")
def site(shared_sqlite_address: str) -> Iterator[Site]:
    """One bridge for all calls of services, which store nothing at its side."""
    with site_on(shared_sqlite_address) as made:
        yield made


@pytest.fixture
def connections(site: Site) -> Iterator[ServiceClients]:
    made = ServiceClients(site.tool.lti, PATIENT)
    yield made
    made.close()


@pytest.fixture
def connector(connections: ServiceClients, platform: Platform) -> ServiceClient:
    return connections.to(registration_of(platform))


@pytest.fixture
def grading(platform: Platform) -> Grading:
    return Grading(
        line_items=f"{platform.address}/Items?type_id=1",
        line_item=f"{platform.address}/Items/6/lineitem?type_id=1",
    )


def _score(platform: Platform, **more: object) -> tuple[str, SentScore]:
    values: dict[str, Any] = {
        "person": "4",
        "score": Decimal("15.5"),
        "maximum": Decimal(20),
        "at": AT,
        **more,
    }
    return f"{platform.address}/Items/6/lineitem?type_id=1", SentScore(**values)


# ---- tokens ---------------------------------------------------------------------------


def test_one_token_serves_until_it_expires(
    connector: ServiceClient, grading: Grading, platform: Platform
) -> None:
    for _ in range(3):
        line_items(connector, grading)
    assert platform.count("/token") == 1
    (assertion,) = platform.assertions
    assert assertion["iss"] == assertion["sub"] == "client-1"
    assert assertion["aud"] == f"{platform.address}/token"
    assert assertion["exp"] - assertion["iat"] <= 70
    assert assertion["jti"]


def test_a_token_request_has_the_audience_of_the_platform(
    connections: ServiceClients, platform: Platform
) -> None:
    registration = registration_of(platform, token_audience="https://api.example.org/auth/token")
    connections.to(registration).get_access_token(["any"])
    assert platform.assertions[-1]["aud"] == "https://api.example.org/auth/token"


SECRET = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJjIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            400,
            '{"error": "invalid_client", "error_description": "Bad audience."}',
            "invalid_client",
        ),
        (400, '{"error": "invalid_client", "error_description": "Bad audience."}', "Bad audience"),
        (401, '{"error": "invalid_scope"}', "(status 401): invalid_scope."),
        (403, "<html>No</html>", "(status 403): it gives no reason."),
        (400, '["x"]', "(status 400): it gives no reason."),
        (400, '{"error": {"a": 1}, "error_description": 5}', "it gives no reason."),
        (200, '{"error": "unauthorized_client"}', "(status 200): unauthorized_client."),
        (400, f'{{"error": "x", "error_description": "Assertion {SECRET}"}}', "[redacted]"),
        (400, '{"error": "x", "error_description": "Ask ada@example.org"}', "[e-mail]"),
        (400, '{"error": "x", "error_description": "a\\u202eb\\u0007c"}', "abc"),
        (400, f'{{"error": "x", "error_description": "{"long " * 500}"}}', "long"),
    ],
)
def test_the_reason_of_a_platform_that_refuses_a_token_is_shown(
    connector: ServiceClient, platform: Platform, status: int, body: str, said: str
) -> None:
    platform.token_refusal = (status, body)
    with pytest.raises(AccessDenied) as caught:
        connector.get_access_token(["any"])
    assert said in caught.value.message
    assert caught.value.code == "token-refused"
    assert len(str(caught.value)) < 700
    for secret in (SECRET, "ada@", "\u202e"):
        assert secret not in str(caught.value)


def test_a_broken_token_endpoint_is_tried_again_later(
    connector: ServiceClient, platform: Platform
) -> None:
    platform.token_refusal = (500, '{"error": "server_error"}')
    with pytest.raises(Unreachable) as caught:
        connector.get_access_token(["any"])
    assert "server_error" in caught.value.message


@pytest.mark.parametrize("seconds", [20, 0, -5])
def test_a_token_that_is_soon_over_is_not_used_again(
    seconds: int, connector: ServiceClient, grading: Grading, platform: Platform
) -> None:
    platform.token_seconds = seconds
    line_items(connector, grading)
    line_items(connector, grading)
    assert platform.count("/token") == 2


@pytest.mark.parametrize("seconds", [None, "soon", "3600", {}])
def test_a_token_with_an_odd_lifetime_is_used(
    seconds: object, connector: ServiceClient, grading: Grading, platform: Platform
) -> None:
    platform.token_seconds = seconds
    line_items(connector, grading)
    line_items(connector, grading)
    assert platform.count("/token") == 1


def test_a_token_is_dropped_shortly_before_it_expires() -> None:
    now = [0.0]
    tokens = Tokens(clock=lambda: now[0])
    tokens.keep(("x",), "t", 100)
    now[0] = 69.0
    assert tokens.find(("x",)) == "t"
    now[0] = 70.0
    assert tokens.find(("x",)) is None


def test_a_token_withdrawn_early_is_fetched_anew(
    connector: ServiceClient, grading: Grading, platform: Platform
) -> None:
    line_items(connector, grading)
    platform.withdrawn = True
    line_items(connector, grading)
    assert platform.count("/token") == 2


def test_a_platform_that_refuses_every_token_denies_access(
    connector: ServiceClient, platform: Platform
) -> None:
    platform.refuses_tokens = True
    with pytest.raises(AccessDenied):
        connector.call("GET", f"{platform.address}/Items", ["x"])
    assert platform.count("/token") == 2


def test_a_platform_that_answers_too_late_is_unreachable(
    site: Site, grading: Grading, platform: Platform
) -> None:
    platform.wait_seconds = 1.0
    connections = ServiceClients(site.tool.lti, replace(PATIENT, read_seconds=0.4))
    with closing(connections), pytest.raises(Unreachable) as failure:
        line_items(connections.to(registration_of(platform)), grading)
    assert failure.value.code == "timed-out"


# ---- line items -----------------------------------------------------------------------


def test_line_items_are_found_or_made_once(
    connector: ServiceClient, grading: Grading, platform: Platform
) -> None:
    desired = PlatformLineItem("Result", Decimal(100), resource_id="ITU-2", tag="result")
    made = find_or_create(connector, grading, desired)
    assert made.address == f"{platform.address}/Items/6/lineitem?type_id=1"
    assert find_or_create(connector, grading, desired) == made
    other = create(connector, grading, replace(desired, resource_id="ITU-3"))
    assert other.address != made.address
    assert len(platform.line_items) == 2
    assert line_items(connector, grading, resource_id="ITU-3") == [other]
    changed = update(connector, replace(made, label="Final result"))
    assert changed.label == "Final result"
    assert platform.line_items[made.address]["label"] == "Final result"


def test_queries_of_addresses_are_kept(
    connector: ServiceClient, grading: Grading, platform: Platform
) -> None:
    line_items(connector, grading, resource_id="ITU-2")
    assert "GET /Items?type_id=1&resource_id=ITU-2" in platform.requested
    post_score(connector, *_score(platform))
    assert "POST /Items/6/lineitem/scores?type_id=1" in platform.requested


@pytest.mark.parametrize(
    ("address", "ending"),
    [
        ("https://x.example/i/6?type_id=1", "https://x.example/i/6/scores?type_id=1"),
        ("https://x.example/i/6/", "https://x.example/i/6/scores"),
        ("https://x.example/i?a=1?b=2", "https://x.example/i/scores?a=1?b=2"),
        ("https://x.example/I/É%2F?q", "https://x.example/I/É%2F/scores?q"),
    ],
)
def test_an_ending_is_added_before_the_query(address: str, ending: str) -> None:
    assert with_ending(address, "scores") == ending


def test_parameters_are_added_to_a_query() -> None:
    assert with_query("https://x.example/m?a=1&b=", {"rlid": "7"}) == (
        "https://x.example/m?a=1&b=&rlid=7"
    )
    assert with_query("https://x.example/m?rlid=1", {"rlid": "7"}) == "https://x.example/m?rlid=7"


# ---- scores ---------------------------------------------------------------------------


def test_a_score_is_sent_with_all_its_fields(connector: ServiceClient, platform: Platform) -> None:
    assert post_score(connector, *_score(platform)) is ScoreDelivery.TAKEN
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


def test_a_zero_score_is_sent(connector: ServiceClient, platform: Platform) -> None:
    post_score(connector, *_score(platform, score=Decimal(0)))
    assert platform.scores[0]["scoreGiven"] == 0


def test_a_result_without_a_score_is_not_ready(
    connector: ServiceClient, platform: Platform
) -> None:
    post_score(connector, *_score(platform, score=None, completed=False))
    assert "scoreGiven" not in platform.scores[0]
    assert platform.scores[0]["gradingProgress"] == "NotReady"


def test_times_are_sent_in_utc(connector: ServiceClient, platform: Platform) -> None:
    there = AT.astimezone(timezone(timedelta(hours=3)))
    post_score(connector, *_score(platform, at=there))
    assert platform.scores[0]["timestamp"] == "2026-11-23T18:00:00.250Z"


def test_a_repeated_or_older_score_changes_nothing(
    connector: ServiceClient, platform: Platform
) -> None:
    post_score(connector, *_score(platform))
    assert post_score(connector, *_score(platform)) is ScoreDelivery.OLDER
    older = _score(platform, at=AT - timedelta(hours=1))
    assert post_score(connector, *older) is ScoreDelivery.OLDER
    assert len(platform.scores) == 1


def test_a_score_for_an_unknown_person_is_refused(
    connector: ServiceClient, platform: Platform
) -> None:
    with pytest.raises(RecordRefused) as failure:
        post_score(connector, *_score(platform, person="nobody"))
    assert "nobody" not in str(failure.value)


def test_results_as_texts_are_read(connector: ServiceClient, platform: Platform) -> None:
    post_score(connector, *_score(platform))
    (found,) = results(connector, f"{platform.address}/Items/6/lineitem?type_id=1")
    assert (found.person, found.score, found.maximum) == ("4", Decimal("15.5"), Decimal(20))


# ---- memberships ----------------------------------------------------------------------


def _people(number: int) -> list[dict[str, object]]:
    return [
        {"status": "Active", "roles": ["Learner"], "user_id": str(n), "email": f"p{n}@example.org"}
        for n in range(number)
    ]


def test_all_pages_are_read(connector: ServiceClient, platform: Platform) -> None:
    platform.members = _people(5)
    found = list(memberships(connector, f"{platform.address}/Members", resource_link_id="17"))
    assert [each.id for each in found] == ["0", "1", "2", "3", "4"]
    assert found[0].roles == ("Learner",)
    assert "GET /Members?rlid=17" in platform.requested
    # As given: PyLTI1p3 would ask for /members?from=page.
    assert "GET /Members?From=Page&from=2" in platform.requested


def test_inactive_members_are_left_out(connector: ServiceClient, platform: Platform) -> None:
    platform.members = [{"user_id": 7, "status": "Inactive", "roles": "Instructor"}]
    (found,) = memberships(connector, f"{platform.address}/Members")
    assert (found.id, found.active) == ("7", False)
    assert found.roles == ("Instructor",)


@pytest.mark.parametrize("roles", [7, {"a": 1}, None, [None, 3], True])
def test_invalid_roles_are_passed_over(
    connector: ServiceClient, platform: Platform, roles: object
) -> None:
    platform.members = [{"user_id": "7", "status": "Active", "roles": roles}]
    (found,) = memberships(connector, f"{platform.address}/Members")
    assert found.roles == ()


def test_a_person_without_an_id_ends_the_read(connector: ServiceClient, platform: Platform) -> None:
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
def test_the_link_header_names_the_next_page(header: str, following: str) -> None:
    answer = Response(200, "application/json", {"Link": header}, b"")
    assert next_page("https://x.example/members?limit=2", answer) == following


def test_a_next_page_elsewhere_never_sees_the_token() -> None:
    answer = Response(200, "application/json", {"Link": '<https://evil.example/>; rel="next"'}, b"")
    with pytest.raises(NotUnderstood):
        next_page("https://x.example/members", answer)
