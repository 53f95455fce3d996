"""Reviewers and focal points see what waits, decide about it, and lose nothing they wrote."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from lms_bridge import __version__
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.model import OfferingStatus
from lms_bridge.domain.network import Cycle
from lms_bridge.domain.roles import Role
from lms_bridge.store import cycles
from tests.integration.accounts.browser import account, hidden, send, signed_in
from tests.integration.api.world import DAY, NOW, World, offering

CODE = "ONE-planned"
PAGE = f"/reviews/of/{CODE}"
AFRICA = DataScope(region="africa")


def reviewer(world: World, name: str, role: Role = Role.FOCAL_POINT) -> FlaskClient:
    database, app = world.bridge.database, world.client.application
    person = account(database, f"{name}@example.org", role, AFRICA, f"Sample {name}")
    return signed_in(app, database, person)


@pytest.fixture
def submitted(either: World) -> World:
    token = either.token(Scope.WRITE_OFFERINGS)
    for code in (CODE, "FAR-planned"):
        assert either.post(f"/offerings/{code}/submit", token).status_code == 200
    return either


def review(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get(f"/offerings/{CODE}/review", world.token()).get_json()
    return found


def test_what_waits_is_listed_within_the_reviewers_reach(submitted: World) -> None:
    page = reviewer(submitted, "one").get("/reviews").text
    assert CODE in page
    assert "FAR-planned" not in page
    assert "Outline to review" in page


def test_topics_of_the_filter_have_the_readers_words(submitted: World) -> None:
    with submitted.bridge.database.writing() as tx:
        if not cycles.all_cycles(tx):
            areas = ("Cybersecurity",)
            cycles.add_cycle(tx, Cycle("Sample", "Sample", date(2020, 1, 1), areas=areas))
    browser = reviewer(submitted, "one")
    assert ">Cybersécurité</option>" in browser.get("/reviews?lang=fr").text
    assert CODE in browser.get("/reviews?area=cybersecurity").text


def test_the_text_of_a_second_decision_stays_where_nothing_more_can_be_decided(
    submitted: World,
) -> None:
    first, second = reviewer(submitted, "one"), reviewer(submitted, "two")
    version = hidden(second.get(PAGE), "version")
    objection = {"version": version, "action": "object", "reason": "No objectives"}
    assert send(first, PAGE, objection).status_code == 303
    late = {"version": version, "action": "object", "reason": "Day two repeats day one"}
    refused = send(second, PAGE, late)
    assert refused.status_code == 409
    assert "Somebody else acted" in refused.text
    assert "Day two repeats day one</textarea>" in refused.text
    assert "What you wrote" not in second.get(PAGE).text


@pytest.mark.parametrize(
    ("action", "field"), [("object", "reason"), ("comment", "comment_mandate")]
)
def test_what_is_missing_in_a_decision_links_to_its_field(
    submitted: World, action: str, field: str
) -> None:
    browser = reviewer(submitted, "one")
    version = hidden(browser.get(PAGE), "version")
    answer = send(browser, PAGE, {"version": version, "action": action}).text
    assert f'<a href="#field-{field}">' in answer
    assert re.search(f'id="field-{field}"[^>]* aria-invalid="true"', answer)


def test_the_page_of_an_outline_names_the_bridges_version(submitted: World) -> None:
    assert f"lms_bridge {__version__}<" in reviewer(submitted, "one").get(PAGE).text


def test_two_reviewers_of_one_outline_lose_nothing(submitted: World) -> None:
    first, second = reviewer(submitted, "one"), reviewer(submitted, "two")
    version = hidden(second.get(PAGE), "version")
    form = {"version": version, "action": "comment", "comment_accuracy": "Check the table"}
    for _ in range(2):  # a double click is harmless
        assert send(first, PAGE, form).status_code == 303
    (round_,) = review(submitted)["rounds"]
    assert [each["text"] for each in round_["comments"]] == ["Check the table"]

    late = {"version": version, "action": "object", "reason": "Day two repeats day one"}
    refused = send(second, PAGE, late)
    assert refused.status_code == 409
    assert "Somebody else acted" in refused.text
    assert "Check the table" in refused.text
    assert "Day two repeats day one</textarea>" in refused.text
    again = {**late, "version": hidden(refused, "version")}
    assert send(second, PAGE, {**again, "reason": ""}).status_code == 409
    assert send(second, PAGE, again).status_code == 303
    shown = submitted.get(f"/offerings/{CODE}", submitted.token()).get_json()
    assert (shown["status"], shown["status_reason"]) == ("planned", "Day two repeats day one")
    assert "Day two repeats day one" in first.get(PAGE).text


def test_a_comment_reads_as_it_is_written(submitted: World) -> None:
    browser = reviewer(submitted, "one")
    form = {"version": hidden(browser.get(PAGE), "version"), "action": "comment"}
    turned = "Pay \u202e001\u202c at ex\u200bample\u2066.org"
    assert send(browser, PAGE, {**form, "comment_accuracy": turned}).status_code == 303
    ((comment,),) = [each["comments"] for each in review(submitted)["rounds"]]
    assert comment["text"] == "Pay 001 at example.org"


def test_an_outline_stands_beside_the_last_edition(either: World) -> None:
    before = replace(offering("ONE-before"), course_code="C-ONE-planned", description="Old words")
    either.add(replace(before, starts_at=NOW + 10 * DAY))
    page = reviewer(either, "one").get(PAGE).text
    assert "<del>Old words</del>" in page
    assert "<ins>Sample course ONE-planned</ins>" in page or "<ins>ONE-planned</ins>" in page


def test_an_outline_of_another_region_does_not_exist(submitted: World) -> None:
    browser = reviewer(submitted, "one")
    assert browser.get("/reviews/of/FAR-planned").status_code == 404
    assert send(browser, "/reviews/of/FAR-planned", {"action": "review"}).status_code == 404
    assert browser.get("/reviews/regions?region=europe").status_code == 404


def test_a_focal_point_publishes_and_sees_the_regions_figures(either: World) -> None:
    either.add(replace(offering("ONE-ready"), status=OfferingStatus.REVIEWED), acted_on=True)
    browser = reviewer(either, "one")
    page = "/reviews/of/ONE-ready"
    assert "Publish the course" in browser.get(page).text
    form = {"version": hidden(browser.get(page), "version"), "action": "publish"}
    assert send(browser, page, form).status_code == 303
    assert "certify" not in browser.get(page).text
    region = browser.get("/reviews/regions").text
    assert "Sample Centre One" in region
    assert "Sample Centre Far" not in region
    table = browser.get("/reviews/regions.csv")
    assert table.mimetype == "text/csv"
    assert "ONE" in table.text
    assert "FAR" not in table.text
