"""Registrations and results through the interface."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.errors import LeaseLost
from lms_bridge.domain.model import ACADEMY, EnrolmentStatus, Kind, OfferingStatus, RegistrationType
from lms_bridge.store import links, source_links, target_links
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import enrolment, learner
from lms_bridge.sync.enrolment_actions import register
from tests.integration.api.world import World, enrol, offering

APPLY = RegistrationType.APPLICATION
BELOW = "seats-below-taken"


def person(id_: str, **changes: Any) -> dict[str, Any]:
    return {
        "learner": {
            "id": id_,
            "given_name": f"Given-{id_}",
            "family_name": "Sample",
            "email": f"{id_}@example.org",
            **changes,
        }
    }


def test_a_registration_for_a_free_place_is_enrolled_and_sent_to_the_centre(either: World) -> None:
    token = either.token(Scope.WRITE_ENROLMENTS, Scope.READ_ENROLMENTS, reach=DataScope("ONE"))
    made = either.post("/offerings/ONE-open/register", token, json=person("L1"))
    assert made.status_code == 201
    shown = made.get_json()
    assert (shown["status"], shown["next_step"]) == ("enrolled", "wait_for_start")
    assert shown["learner"]["email"] == "L1@example.org"
    number = shown["number"]
    assert either.get(f"/registrations/{number}", token).get_json() == shown
    with either.bridge.database.reading() as tx:
        due = target_links.desired_hashes(tx, "centre:ONE", Kind.ENROLMENT, [number])
    assert due[number][0]  # what its LMS is to hold
    again = either.post("/offerings/ONE-open/register", token, json=person("L1"))
    assert (again.status_code, again.get_json()["code"]) == (409, "enrolment-not-now")
    gone = either.post(f"/registrations/{number}/withdraw", token)
    assert gone.get_json()["status"] == "withdrawn"
    back = either.post("/offerings/ONE-open/register", token, json=person("L1"))
    assert (back.status_code, back.get_json()["number"]) == (201, number)


def test_seats_below_those_that_are_taken_are_warned_of(either: World) -> None:
    token = either.token()
    for each in ("L1", "L2"):
        enrol(either, "ONE-apply", each, EnrolmentStatus.ENROLLED)
    enrol(either, "ONE-apply", "L3", EnrolmentStatus.APPLIED)
    row = {"id": "ONE-apply", "title": "Sample course", "registration": "application"}

    def warned(seats: int) -> list[str]:
        body = [{**row, "seats": seats, "modality": "online_self_paced"}]
        (told,) = either.ask("PATCH", "/centres/ONE/schedule", token, json=body).get_json()["rows"]
        checks = either.get("/offerings/ONE-apply/checks", token).get_json()["findings"]
        found = [told["outcome"] for each in told["warnings"] if each["code"] == BELOW]
        return [*found, *(each["field"] for each in checks if each["code"] == BELOW)]

    assert warned(2) == []
    assert warned(1) == ["updated", "seats"]
    assert warned(1) == ["unchanged", "seats"]
    assert warned(3) == []


def test_an_applicant_is_selected_invoiced_and_enrolled(either: World) -> None:
    paid = offering("ONE-paid", registration=APPLY, seats=1, price=Decimal(150), currency="USD")
    either.add(paid)
    token = either.token()
    numbers = []
    for each in ("L1", "L2"):
        applied = either.post("/offerings/ONE-paid/apply", token, json=person(each)).get_json()
        assert (applied["status"], applied["next_step"]) == ("applied", "wait_for_selection")
        numbers.append(applied["number"])
    first, second = numbers

    def act(number: int, action: str) -> tuple[int, str]:
        answer = either.post(f"/registrations/{number}/{action}", token)
        body = answer.get_json()
        return answer.status_code, body.get("code") or body["status"]

    assert act(first, "confirm-payment") == (409, "enrolment-not-now")
    assert act(first, "select") == (200, "selected")
    assert act(second, "select") == (409, "no-seat-left")
    assert act(first, "invoice") == (200, "invoiced")
    shown = either.get(f"/registrations/{first}", token).get_json()
    assert shown["next_step"] == "pay"
    assert act(first, "confirm-payment") == (200, "enrolled")
    assert act(second, "reject") == (200, "rejected")
    assert act(second, "withdraw") == (409, "enrolment-not-now")
    assert act(first, "certify") == (409, "enrolment-not-now")
    wrong = either.post("/offerings/ONE-paid/register", token, json=person("L3"))
    assert wrong.get_json()["code"] == "wrong-registration"
    with either.bridge.database.reading() as tx:  # who was refused left no trace
        assert tx.scalar(select(func.count()).select_from(learner)) == 2
        assert tx.scalar(select(func.count()).where(item.c.kind == Kind.LEARNER)) == 2


def test_a_known_learner_id_reveals_nothing_of_its_owner(either: World) -> None:
    enrol(either, "FAR-open", "L1", EnrolmentStatus.ENROLLED)
    token = either.token(reach=DataScope("ONE"))
    requested = either.post(
        "/offerings/ONE-open/register", token, json=person("L1", email="x@example.org")
    )
    assert (requested.status_code, requested.get_json()["code"]) == (409, "learner-differs")
    assert "Family-L1" not in requested.get_data(as_text=True)
    known = person("L1", email="l1@EXAMPLE.org", given_name="Renamed")
    made = either.post("/offerings/ONE-open/register", token, json=known).get_json()
    assert made["learner"]["given_name"] == "Given-L1"  # the Academy owns what is known of people


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "learner"),
        ({"learner": "L1"}, "learner"),
        (person("L 1", email="l1@example.org"), "learner.id"),
        (person("L1", email="nobody"), "learner.email"),
        (person("L1", given_name="", family_name=""), "learner.given_name"),
        ({**person("L1"), "colour": "red"}, "colour"),
        ([], ""),
    ],
)
def test_a_wrong_field_is_named(world: World, body: Any, field: str) -> None:
    refused = world.post("/offerings/ONE-open/register", world.token(), json=body)
    problem = refused.get_json()
    assert (refused.status_code, problem["code"]) == (422, "invalid-request"), problem
    assert [each["field"] for each in problem["errors"]] == [field]
    assert "nobody" not in refused.get_data(as_text=True)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400),
        ({"data": b"\xff\xfe", "content_type": "application/json"}, 400),
        ({"data": b'{"learner": {"id": "a\\u0000b"}}', "content_type": "application/json"}, 400),
        ({"data": b'{"learner": {"id": "a\\ud800b"}}', "content_type": "application/json"}, 400),
        ({"data": b"id=L1", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"data": b"{}", "content_type": "text/plain"}, 415),
        ({"data": b"[" * 60_000, "content_type": "application/json"}, 400),
        ({"data": b" " * 70_000, "content_type": "application/json"}, 413),
        (
            {
                "data": b"{}",
                "content_type": "application/json",
                "headers": {"Content-Encoding": "gzip"},
            },
            415,
        ),
    ],
)
def test_an_unreadable_body_is_refused(world: World, request_: dict[str, Any], status: int) -> None:
    answer = world.ask("POST", "/offerings/ONE-open/register", world.token(), **request_)
    assert answer.status_code == status, answer.get_json()
    assert answer.content_type == "application/problem+json"


# ---- a group -----------------------------------------------------------------------------------

HEAD = "id,email,given_name,family_name\n"


def group(world: World, text: str | bytes, token: str, code: str = "ONE-open", **more: Any) -> Any:
    data = text.encode() if isinstance(text, str) else text
    return world.ask(
        "POST", f"/offerings/{code}/group", token, data=data, content_type="text/csv", **more
    )


def test_a_group_goes_in_parts_and_those_before_a_break_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one transaction a thousand rows kept everybody else from writing for seconds."""
    numbers = iter(range(1_000))

    def breaks_off(*args: Any) -> Any:
        if next(numbers) == 17:
            raise LeaseLost("lease-lost", "Another process has the centre.")
        return register(*args)

    rows = "".join(f"L{n},l{n}@example.org,Given,Name\n" for n in range(25))
    token = world.token(reach=DataScope("ONE"))
    monkeypatch.setattr("lms_bridge.intake.routes.register", breaks_off)
    answer = group(world, HEAD + rows, token)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "centre-busy")
    with world.bridge.database.reading() as tx:
        stayed = tx.scalar(select(func.count()).select_from(enrolment)) or 0
    assert 0 < stayed < 17


def test_a_group_gets_an_outcome_for_each_row(either: World) -> None:
    rows = (
        "L1,l1@example.org,Given,One\n"
        "L2,not an address,Given,Two\n"
        ",l3@example.org,Given,Three\n"
        "L1,l1@example.org,Given,One\n"
        "L4,l4@example.org,Given,Four\n"
        "L5,l5@example.org\n"
    )
    answer = group(either, HEAD + rows, either.token(reach=DataScope("ONE")))
    assert answer.status_code == 200
    reported = [(each["row"], each["outcome"], each["code"]) for each in answer.get_json()["rows"]]
    assert reported == [
        (2, "registered", ""),
        (3, "refused", "invalid-record"),
        (4, "refused", "unreadable-record"),
        (5, "refused", "unreadable-record"),
        (6, "registered", ""),
        (7, "refused", "invalid-record"),
    ]
    with either.bridge.database.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(enrolment)) == 2
        assert tx.scalar(select(func.count()).select_from(learner)) == 2
        noted = tx.scalar(select(func.count()).where(item.c.kind == Kind.ENROLMENT))
    assert noted == 2  # the refused rows left nothing in the audit either


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file-unreadable"),
        (b"id,email\n", "file-unreadable"),
        (b"id,email,colour\nL1,a@example.org,red\n", "file-unreadable"),
        (b"name\nx\n", "file-unreadable"),
        (b"\x00\x01\x02", "file-unreadable"),
        (b"PK\x03\x04" + bytes(200), "file-unreadable"),
        (("id,email\n" + "L,l@example.org\n" * 1001).encode(), "file-unreadable"),
        (b"id,email\n" + b"x" * 1_100_000, "too-large"),
    ],
)
def test_an_unreadable_file_is_refused(world: World, data: bytes, code: str) -> None:
    answer = group(world, data, world.token())
    assert 400 <= answer.status_code < 500
    assert answer.get_json()["code"] == code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_as_spreadsheets_save_them_are_read(world: World, encoding: str) -> None:
    text = "id;email;given_name;family_name\r\nL1;l1@example.org;Zoé;Été\r\n"
    answer = group(world, text.encode(encoding), world.token())
    (row,) = answer.get_json()["rows"]
    assert row["registration"]["learner"]["given_name"] == "Zoé"


# ---- who keeps what, and results ---------------------------------------------------------------


def test_a_registration_of_the_academy_is_not_changed_here(either: World) -> None:
    number = enrol(either, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    with either.bridge.database.writing() as tx:
        row = {"system": ACADEMY, "kind": Kind.ENROLMENT, "centre": "ONE", "record_id": number}
        source_links.showed(
            tx, [{**row, "external_id": "r1", "scope": "s", "source_hash": b"h" * 16}]
        )
    refused = either.post(f"/registrations/{number}/withdraw", either.token())
    assert (refused.status_code, refused.get_json()["code"]) == (409, "owned-elsewhere")


def test_results_are_entered_and_replaced(either: World) -> None:
    number = enrol(either, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    token = either.token(reach=DataScope("ONE"))
    path = f"/registrations/{number}/result"
    assert either.get(path, token).get_json()["code"] == "no-such-result"
    entered = either.ask("PUT", path, token, json={"score": "71.50", "completed": True})
    assert entered.status_code == 200
    assert (entered.get_json()["score"], entered.get_json()["warnings"]) == ("71.5", [])
    tag = entered.headers["ETag"]
    assert either.get(path, token).headers["ETag"] == tag
    replaced = either.ask("PUT", path, token, json={"score": 0}, headers={"If-Match": tag})
    assert (replaced.get_json()["score"], replaced.get_json()["completed"]) == ("0", None)
    late = either.ask("PUT", path, token, json={"score": 9}, headers={"If-Match": tag})
    assert late.status_code == 412
    wrong = either.ask("PUT", path, token, json={"score": "x"})
    (error,) = wrong.get_json()["errors"]
    assert error["field"] == "score"
    assert error["message"].startswith("is not a number such as")
    (listed,) = either.get("/results?learner=L1", token).get_json()["items"]
    assert listed["score"] == "0"
    with either.bridge.database.reading() as tx:
        sent = links.external_ids(tx, ACADEMY, Kind.RESULT, [1])
        due = target_links.desired_hashes(tx, ACADEMY, Kind.RESULT, [1])
    assert (sent, bool(due[1][0])) == ({}, True)  # on its way to the Academy


def test_a_result_needs_an_enrolled_learner(world: World) -> None:
    number = enrol(world, "ONE-open", "L1", EnrolmentStatus.APPLIED)
    refused = world.ask("PUT", f"/registrations/{number}/result", world.token(), json={})
    assert refused.get_json()["code"] == "not-enrolled"


def test_a_score_below_the_pass_mark_is_a_warning(world: World) -> None:
    settings = world.bridge.settings
    settings = replace(settings, rules=replace(settings.rules, pass_percent=60))
    world.client.application.extensions["lms_bridge"] = replace(world.bridge, settings=settings)
    number = enrol(world, "ONE-open", "L1", EnrolmentStatus.STARTED)
    body = {"score": 59, "completed": True}
    entered = world.ask("PUT", f"/registrations/{number}/result", world.token(), json=body)
    assert [each["code"] for each in entered.get_json()["warnings"]] == ["below-pass-mark"]


def test_a_certificate_waits_for_the_validated_report(world: World) -> None:
    world.add(offering("ONE-over", status=OfferingStatus.REPORTED))
    number = enrol(world, "ONE-over", "L1", EnrolmentStatus.COMPLETED)
    token = world.token()
    refused = world.post(f"/registrations/{number}/certify", token)
    assert refused.get_json()["code"] == "report-not-validated"
    assert world.post("/offerings/ONE-over/close", token).status_code == 200
    assert world.post(f"/registrations/{number}/certify", token).get_json()["status"] == "certified"


def test_lists_are_filtered(either: World) -> None:
    enrol(either, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    enrol(either, "ONE-apply", "L2", EnrolmentStatus.APPLIED)
    enrol(either, "FAR-open", "L3", EnrolmentStatus.ENROLLED)
    token = either.token()
    for query, found in {
        "": ["L1", "L2", "L3"],
        "centre=ONE": ["L1", "L2"],
        "offering=ONE-apply": ["L2"],
        "learner=L3": ["L3"],
        "status=enrolled": ["L1", "L3"],
        "modified_since=2099-01-01": [],
        "limit=2": ["L1", "L2"],
    }.items():
        items = either.get(f"/registrations?{query}", token).get_json()["items"]
        assert [each["learner"]["id"] for each in items] == found, query
