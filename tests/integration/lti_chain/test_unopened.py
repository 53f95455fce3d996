"""Scores of learners who never opened the link at the platform."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from click.testing import CliRunner

from lms_bridge.cli import main
from lms_bridge.console.session import CommandSession
from lms_bridge.domain.model import Flow, Kind
from lms_bridge.lti.registrations import PersonId
from lms_bridge.store import run_items
from lms_bridge.store.enrolments import enrolment_ids
from lms_bridge.store.links import insert_links
from tests.integration.lti_chain.chain import Chain, no_line_item
from tests.peers.platform import AGS, LTI, Platform, running


def graded(chain: Chain) -> None:
    """Learner acad-2 has a score in the centre's tool, without ever having come from a platform."""
    claims = chain.world.launch("acad-2")
    assert chain.score(claims, 80, 1) == 204
    chain.world.settle()


def on_roster(chain: Chain, person: str) -> None:
    """The Academy's platform shows acad-2 on a roster, under this id."""
    ids = chain.world.ids
    pair = (ids["OFF-1"], ids["acad-2"])
    with chain.world.bridge.database.writing() as tx:
        row = {
            "system": "academy",
            "kind": Kind.ENROLMENT,
            "centre": "ONE",
            "record_id": enrolment_ids(tx, [pair])[pair],
            "external_id": f"OFF-1/{person}",
            "scope": f"ONE:OFF-1@{chain.registration.id}",
            "source_hash": b"seen",
        }
        insert_links(tx, [row])


@pytest.mark.parametrize("person", ["acad-2", "4711"])
def test_a_score_is_sent_when_roster_and_column_are_known(either_chain: Chain, person: str) -> None:
    chain = either_chain
    graded(chain)
    on_roster(chain, person)
    assert chain.scores() == []  # nobody named a column yet
    chain.launch("acad-1")  # another learner's launch does
    assert [(who, score) for who, score, _ in chain.scores()] == [(person, 80)]


def test_a_column_that_only_the_container_names_is_found_for_both(chain: Chain) -> None:
    graded(chain)
    on_roster(chain, "4711")
    chain.launch("acad-1", change=no_line_item)
    assert [(who, score) for who, score, _ in chain.scores()] == [("4711", 80)]


def test_a_score_that_waits_is_listed_with_its_reason(either_chain: Chain) -> None:
    chain = either_chain
    chain.change_registration(person_id=PersonId.SOURCED_ID)
    graded(chain)

    def sourced(claims: dict[str, object]) -> None:
        claims["https://purl.imsglobal.org/spec/lti/claim/lis"] = {"person_sourcedid": "acad-1"}

    chain.launch("99", change=sourced)
    chain.world.settle()
    bridge = chain.world.bridge
    report = bridge.runner().run(bridge.request(bridge.centre("ONE"), (Flow.RESULTS,)))
    assert chain.scores() == []
    with bridge.database.reading() as tx:
        items = run_items.items_by_number(tx, report.run_id, most=100)
    (waits,) = [each for each in items if each.state == "waits"]
    assert (waits.external_id, waits.code) == ("OFF-1/acad-2", "learner-not-opened")
    done = CliRunner().invoke(
        main,
        ["resend", "--centre", "ONE", "--list"],
        obj=CommandSession(lambda settings: nullcontext(bridge), {}),
    )
    assert "OFF-1/acad-2" in done.output
    assert "never opened" in " ".join(done.output.split())


def no_column(claims: dict[str, Any]) -> None:
    """A link whose teacher has not switched grading on."""
    del claims[f"{AGS}claim/endpoint"]


def test_a_column_that_came_after_the_learners_launch_gets_the_score(either_chain: Chain) -> None:
    chain = either_chain
    claims = chain.launch("acad-2", change=no_column)
    assert chain.score(claims, 80, 1) == 204
    assert chain.scores() == []
    chain.launch("acad-1")  # by the same link, which has a column now
    assert [(who, score) for who, score, _ in chain.scores()] == [("acad-2", 80)]
    (origin,) = [each for each in chain.launch_origins() if each.subject == "acad-2"]
    assert origin.resource_link == chain.launch_origins()[1].resource_link != ""


def test_a_column_of_another_link_gets_no_score(chain: Chain) -> None:
    claims = chain.launch("acad-2", change=no_column)
    assert chain.score(claims, 80, 1) == 204

    def elsewhere(claims: dict[str, Any]) -> None:
        claims[f"{LTI}resource_link"] = {"id": "another"}

    chain.launch("acad-1", change=elsewhere)
    assert chain.scores() == []


def test_an_account_is_sent_to_none_of_several_platforms(either_chain: Chain) -> None:
    """The number of an account at one of a centre's systems is somebody else's at another."""
    chain, ids = either_chain, either_chain.world.ids
    row = {"system": "centre:ONE", "kind": Kind.LEARNER, "centre": "ONE", "scope": ""}
    accounts = {"acad-1": "5", "acad-2": "6"}
    with chain.world.bridge.database.writing() as tx:
        insert_links(
            tx, [{**row, "record_id": ids[who], "external_id": accounts[who]} for who in accounts]
        )
    with running(Platform(client_id="client-2")) as first:
        chain.add_platform(first, centre="ONE", client_id=first.client_id)
        chain.launch("5", platform=first)
        chain.add_platform(Platform(), centre="ONE", issuer="https://other.example")
        graded(chain)
        assert chain.scores(first) == []
