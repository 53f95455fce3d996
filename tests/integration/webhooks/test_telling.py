"""What webhooks are told of: once each, by the right event, and of nothing beyond their reach."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import OperationalError

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.events import Event
from lms_bridge.domain.model import EnrolmentStatus, OfferingStatus, Result
from lms_bridge.store import offerings, results
from lms_bridge.store.api_tables import outbox_entry
from lms_bridge.webhooks.outbox import MOST, fill_outbox
from tests.databases import BOTH
from tests.integration.api.world import enrol, offering
from tests.integration.webhooks.world import Post


def reported(post: Post) -> list[tuple[str, str]]:
    """(event, offering) of what arrived, in the order of arrival."""
    return [(each.body["type"], each.body["data"]["offering"]) for each in post.receiver.got]


def untold(post: Post) -> int:
    with post.world.bridge.database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(outbox_entry)) or 0


@BOTH
def test_every_public_change_of_an_offering_is_sent(post: Post) -> None:
    post.add()
    post.set_status("ONE-planned", OfferingStatus.SUBMITTED)
    post.turn()
    assert post.receiver.got == []  # nobody sees it yet
    post.set_status("ONE-planned", OfferingStatus.PUBLISHED)
    post.turn()
    assert post.receiver.got == []  # nobody finds it yet: the Academy has not acknowledged it
    post.acknowledge("ONE-planned")
    post.turn()
    post.change_offering("ONE-planned", title="Another title")
    post.turn()
    post.set_status("ONE-planned", OfferingStatus.CANCELLED)
    post.turn()
    post.change_offering("ONE-planned", location="Nowhere")
    post.turn()
    assert reported(post) == [
        ("offering.published", "ONE-planned"),
        ("offering.changed", "ONE-planned"),
        ("offering.cancelled", "ONE-planned"),
    ]
    assert [each.body["data"]["revision"] for each in post.receiver.got] == [3, 4, 5]
    assert all(each.good for each in post.receiver.got)


@BOTH
def test_listed_and_unlisted_offerings_are_sent(post: Post) -> None:
    post.add()
    post.world.add(offering("TWO-new"), offering("TWO-hidden", listed=False))
    post.turn()
    post.change_offering("TWO-new", listed=False)
    post.turn()
    assert reported(post) == [("offering.published", "TWO-new"), ("offering.cancelled", "TWO-new")]


@BOTH
def test_several_changes_before_a_turn_are_sent_as_one(post: Post) -> None:
    post.add()
    for title in "abc":
        post.change_offering("ONE-open", title=title)
    post.set_status("ONE-planned", OfferingStatus.PUBLISHED)
    post.change_offering("ONE-planned", title="d")
    post.acknowledge("ONE-planned")
    post.set_status("TWO-open", OfferingStatus.CANCELLED)
    post.set_status("TWO-open", OfferingStatus.PUBLISHED)
    post.turn()
    assert sorted(reported(post)) == [
        ("offering.changed", "ONE-open"),
        ("offering.changed", "TWO-open"),
        ("offering.published", "ONE-planned"),
    ]


@BOTH
def test_enrolments_and_results_are_sent_by_ids_alone(post: Post) -> None:
    post.add()
    number = enrol(post.world, "ONE-open", "SAMPLE-7", EnrolmentStatus.REGISTERED)
    post.turn()
    post.change_enrolment(number, EnrolmentStatus.ENROLLED)
    post.turn()
    with post.world.bridge.database.writing() as tx:
        results.add_results(tx, [(number, Result("SAMPLE-7", "ONE-open", completed=True))])
    post.turn()
    assert post.receiver.types() == ["enrolment.changed", "enrolment.changed", "result.changed"]
    first, second, last = (each.body["data"] for each in post.receiver.got)
    assert first == {
        "centre": "ONE",
        "offering": "ONE-open",
        "learner": "SAMPLE-7",
        "registration": number,
        "status": "registered",
        "revision": 1,
    }
    assert (second["status"], second["revision"]) == ("enrolled", 2)
    assert last == {
        "centre": "ONE",
        "offering": "ONE-open",
        "learner": "SAMPLE-7",
        "registration": number,
        "revision": 1,
    }
    everything = json.dumps([each.body for each in post.receiver.got])
    assert "Given-" not in everything
    assert "example.org" not in everything


@BOTH
@pytest.mark.parametrize(
    ("reach", "heard"),
    [
        (DataScope("ONE"), ("ONE-open",)),
        (DataScope(region="africa"), ("ONE-open", "TWO-open")),
        (DataScope(region="europe"), ("FAR-open",)),
        (DataScope(), ("ONE-open", "TWO-open", "FAR-open")),
    ],
    ids=str,
)
def test_a_webhook_gets_only_events_of_its_centre(
    post: Post, reach: DataScope, heard: tuple[str, ...]
) -> None:
    post.add(reach)
    for code in ("ONE-open", "TWO-open", "FAR-open"):
        post.change_offering(code, title="changed")
        enrol(post.world, code, f"L-{code}", EnrolmentStatus.ENROLLED)
    post.turn()
    assert {each.body["data"]["offering"] for each in post.receiver.got} == set(heard)
    assert len(post.receiver.got) == 2 * len(heard)


@BOTH
def test_only_the_chosen_events_are_sent(post: Post) -> None:
    post.add(events=[Event.OFFERING_CANCELLED])
    post.change_offering("ONE-open", title="changed")
    enrol(post.world, "ONE-open", "SAMPLE-1", EnrolmentStatus.ENROLLED)
    post.set_status("TWO-open", OfferingStatus.CANCELLED)
    post.turn()
    assert reported(post) == [("offering.cancelled", "TWO-open")]


@BOTH
def test_without_a_webhook_nothing_is_stored(post: Post) -> None:
    post.change_offering("ONE-open", title="changed")
    assert untold(post) == 0


@BOTH
def test_an_undone_change_is_not_sent(post: Post) -> None:
    post.add()
    database = post.world.bridge.database
    with database.trying() as tx:
        id_, record = offerings.offerings_by_code(tx, ["ONE-open"])["ONE-open"]
        offerings.change_offerings(tx, {id_: record})
    assert untold(post) == 0
    post.turn()
    assert post.receiver.got == []


@BOTH
def test_a_kill_between_the_change_and_the_deliveries_loses_nothing(post: Post) -> None:
    """The transaction that makes deliveries dies at every one of its statements: the next turn
    tells of everything, once."""
    post.add()
    database = post.world.bridge.database
    for step in range(1, 30):
        code = f"ONE-k{step}"
        post.world.add(offering(code))
        left = step

        def die(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise OperationalError("killed", None, Exception())

        event.listen(database.engine, "before_cursor_execute", die)
        try:
            with database.writing() as tx:
                fill_outbox(tx, post.now)
            survived = True
        except OperationalError:
            survived = False
        finally:
            event.remove(database.engine, "before_cursor_execute", die)
        assert untold(post) == (0 if survived else 1), step
        post.turn()
        assert reported(post).count(("offering.published", code)) == 1
        if survived:
            break
    else:
        raise AssertionError("it always died")
    assert step > 4
    assert len(post.receiver.got) == step


@BOTH
def test_two_processes_send_a_change_once(post: Post) -> None:
    post.add()
    post.world.add(*(offering(f"ONE-{number}") for number in range(40)))
    other = post.new_dispatcher()
    for dispatcher in (post.dispatcher, other, post.dispatcher, other):
        dispatcher.turn()
    assert post.dispatcher.wait_idle(120)
    assert other.wait_idle(120)
    post.turn()
    other.close(120)
    assert sorted(reported(post)) == sorted(("offering.published", f"ONE-{n}") for n in range(40))


def test_more_changes_than_one_transaction_holds_are_all_sent(one_post: Post) -> None:
    post = one_post
    hook = post.add(events=[Event.OFFERING_PUBLISHED])
    post.world.add(*(offering(f"ONE-{number}") for number in range(MOST + 20)))
    post.dispatcher.turn()
    assert untold(post) == 0
    assert len(post.rows()) == MOST + 20
    assert {row.webhook_id for row in post.rows()} == {hook.id}
