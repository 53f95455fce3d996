"""The connector academy_http against the simulated platform, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from lms_bridge.connectors.academy_http import connector
from lms_bridge.devtools.academy.app import serve
from lms_bridge.devtools.academy.state import SimulatedAcademy
from lms_bridge.devtools.faults import FaultKind, SimulatedFault
from lms_bridge.domain.errors import (
    AccessDenied,
    IncompleteRead,
    NotUnderstood,
    Overloaded,
    RecordRefused,
    SettingsInvalid,
    Unreachable,
)
from lms_bridge.domain.ports import (
    Action,
    Limits,
    Page,
    RawRecord,
    SystemAccess,
    Verdict,
    WriteFailed,
    WriteRequest,
    Written,
)
from lms_bridge.http.client import Http, Response
from lms_bridge.testing.samples import CENTRE, learner_fields, offering, offering_request

LIMITS = Limits(attempts=1, connect_seconds=120, read_seconds=120)


def opened(academy: SimulatedAcademy, address: str, **changes: Any) -> Any:
    options = {"limits": LIMITS, "private_addresses": True, **changes}
    return connector.open(SystemAccess("academy", address, academy.token, **options))


@pytest.fixture
def academy() -> SimulatedAcademy:
    return SimulatedAcademy()


@pytest.fixture
def address(academy: SimulatedAcademy) -> Iterator[str]:
    with serve(academy) as served:
        yield served


@pytest.fixture
def system(academy: SimulatedAcademy, address: str) -> Iterator[Any]:
    connected = opened(academy, address, options={"page_size": 2})
    yield connected
    connected.close()


def new_offerings(count: int) -> list[WriteRequest]:
    return [offering_request(key, offering(f"O{key:03}", f"T{key}")) for key in range(count)]


def people(academy: SimulatedAcademy, count: int) -> list[str]:
    return [academy.enrol(CENTRE, "O1", learner_fields(f"p{number}")) for number in range(count)]


def whole(system: Any) -> list[Page]:
    return list(system.read_registrations(CENTRE, {}))


def ids(answers: list[Page]) -> list[str]:
    return [raw.external_id for answer in answers for raw in answer.parse()]


def sliced(page: Page) -> list[RawRecord]:
    assert page.slices is not None
    return [page.slices.parse(each) for each in page.slices.cut()]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"items": {}, "next": null, "changes": "c"}', "not-the-contract"),
        (b'{"items": [], "next": 7, "changes": "c"}', "not-the-contract"),
        (b'{"items": [], "next": null}', "not-the-contract"),
        (b'{"items": [1,], "next": null, "changes": "c"}', "not-json"),
        (b'{"items": [{"id": "\xff"}], "next": null, "changes": "c"}', "not-json"),
        (b'{"items": [{"id": ""}], "next": null, "changes": "c"}', "not-the-contract"),
        (b"[]", "not-json"),
    ],
)
def test_a_page_that_is_not_of_the_contract_is_refused(
    body: bytes, code: str, system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = Response(200, "application/json", {}, body)
    monkeypatch.setattr(Http, "request", lambda *_, **__: reply)
    for records in (lambda page: page.parse(), sliced):
        with pytest.raises(NotUnderstood) as error:
            [list(records(page)) for page in whole(system)]
        assert error.value.code == code


def test_orders_are_sent_in_batches_of_a_hundred(academy: SimulatedAcademy, system: Any) -> None:
    outcomes = list(system.write_offerings(new_offerings(1_050)))
    assert [type(outcome) for outcome in outcomes] == [Written] * 1_050
    assert academy.requests["POST /offerings/batch"] == 11
    assert len(academy.offerings) == 1_050


def test_a_refused_batch_is_bisected_down_to_its_rows(
    academy: SimulatedAcademy, system: Any
) -> None:
    academy.whole_batches = True
    academy.refused = {"O007", "O093"}
    outcomes = list(system.write_offerings(new_offerings(100)))
    failed = {
        outcome.key: outcome.error for outcome in outcomes if isinstance(outcome, WriteFailed)
    }
    assert sorted(failed) == [7, 93]
    assert [getattr(error, "field", None) for error in failed.values()] == ["title", "title"]
    assert all(isinstance(error, RecordRefused) for error in failed.values())
    assert len(outcomes) == 100
    assert len(academy.offerings) == 98
    assert academy.requests["POST /offerings/batch"] < 40


@pytest.mark.parametrize(
    ("status", "kind"), [(403, AccessDenied), (429, Overloaded), (500, Unreachable)]
)
def test_other_refusals_of_a_batch_end_the_writing(
    status: int, kind: type[Exception], academy: SimulatedAcademy, system: Any
) -> None:
    academy.faults.next("*", SimulatedFault.http(status, "3"), after=1)
    outcomes = []
    with pytest.raises(kind):
        outcomes.extend(system.write_offerings(new_offerings(150)))
    assert len(academy.offerings) == 100


def test_retry_after_reaches_the_caller(academy: SimulatedAcademy, system: Any) -> None:
    academy.faults.next("*", SimulatedFault.http(503, "120"))
    with pytest.raises(Overloaded) as raised:
        list(system.write_offerings(new_offerings(1)))
    assert raised.value.after == 120


def test_a_garbled_answer_is_not_understood(academy: SimulatedAcademy, system: Any) -> None:
    academy.faults.next("*", SimulatedFault(FaultKind.TRUNCATED))
    with pytest.raises(NotUnderstood):
        whole(system)


def test_a_repeated_batch_has_the_same_key_and_a_new_one_another(
    academy: SimulatedAcademy, address: str
) -> None:
    patient = opened(academy, address, limits=Limits(attempts=3, backoff_seconds=0))
    academy.faults.next("/offerings*", SimulatedFault(FaultKind.CUT))
    for _ in range(2):
        assert len(list(patient.write_offerings(new_offerings(3)))) == 3
    patient.close()
    assert academy.requests["POST /offerings/batch"] == 3
    assert len(academy.answered) == 2


def test_a_change_and_its_reversal_are_both_stored(academy: SimulatedAcademy, system: Any) -> None:
    for title in ("A", "B", "A"):
        list(system.write_offerings([offering_request(1, offering("O1", title))]))
    assert academy.offerings["O1"]["title"] == "A"


def test_a_request_without_identity_fails_alone(academy: SimulatedAcademy, system: Any) -> None:
    nameless = WriteRequest(5, Action.REMOVE, "", {"state": "removed"})
    outcomes = list(system.write_offerings([nameless, *new_offerings(1)]))
    assert [type(outcome) for outcome in outcomes] == [WriteFailed, Written]


def test_pages_keep_their_order_and_scopes(academy: SimulatedAcademy, system: Any) -> None:
    enrolments = people(academy, 5)
    before = whole(system)
    assert ids(before) == enrolments
    academy.withdraw(enrolments[0])
    academy.enrol(CENTRE, "O1", learner_fields("late"))
    after = whole(system)
    assert [answer.scope for answer in after] == [answer.scope for answer in before]
    changed = [b.scope for b, a in zip(before, after, strict=True) if b.body != a.body]
    assert changed == [before[0].scope, before[2].scope]


def test_changes_during_a_whole_read_are_followed_afterwards(
    academy: SimulatedAcademy, system: Any
) -> None:
    enrolments = people(academy, 5)
    reading = system.read_registrations(CENTRE, {})
    answers = [next(reading)]
    academy.withdraw(enrolments[0])
    answers.extend(reading)
    followed = list(system.registrations_since(CENTRE, {}, answers[-1].cursor))
    assert ids(followed) == [enrolments[0]]
    assert not followed[0].whole


def test_changes_come_in_pages_too(academy: SimulatedAcademy, system: Any) -> None:
    enrolments = people(academy, 5)
    cursor = whole(system)[-1].cursor
    for enrolment in enrolments:
        academy.withdraw(enrolment)
    followed = list(system.registrations_since(CENTRE, {}, cursor))
    assert ids(followed) == enrolments
    assert [bool(answer.cursor) for answer in followed] == [False, False, True]
    quiet = list(system.registrations_since(CENTRE, {}, followed[-1].cursor))
    assert ids(quiet) == []


def test_an_expired_cursor_causes_one_full_read(academy: SimulatedAcademy, system: Any) -> None:
    enrolments = people(academy, 3)
    academy.oldest_change = 2
    answers = list(system.registrations_since(CENTRE, {}, "c1"))
    assert ids(answers) == enrolments
    assert not any(answer.whole for answer in answers)
    assert answers[-1].cursor == "c3"


def test_a_cursor_that_is_too_long_is_refused(academy: SimulatedAcademy, system: Any) -> None:
    academy.last_change = 10**201
    with pytest.raises(NotUnderstood, match="200 characters"):
        whole(system)


def test_a_page_that_expires_midway_fails_the_read(academy: SimulatedAcademy, system: Any) -> None:
    people(academy, 3)
    academy.faults.next("*", SimulatedFault.http(410), after=1)
    with pytest.raises(IncompleteRead):
        whole(system)


def test_codes_with_odd_characters_arrive(academy: SimulatedAcademy, system: Any) -> None:
    code = "O/1 & é,?#"
    list(system.write_offerings([offering_request(1, offering(code, "Odd"))]))
    [answer] = system.show_offerings([code])
    assert [raw.fields["title"] for raw in answer.parse()] == ["Odd"]


def test_a_missing_offering_is_shown_as_removed(academy: SimulatedAcademy, system: Any) -> None:
    list(system.write_offerings(new_offerings(2)))
    del academy.offerings["O001"]
    [answer] = system.show_offerings(["O000", "O001"])
    states = {raw.external_id: raw.fields["state"] for raw in answer.parse()}
    assert states == {"O000": "active", "O001": "removed"}


def test_no_address_in_a_title_is_repeated(academy: SimulatedAcademy, system: Any) -> None:
    academy.refused = {"O000"}
    academy.refusal = "Unknown coordinator anna@leak.example.org"
    [row] = system.write_offerings(new_offerings(1))
    assert isinstance(row, WriteFailed)
    assert str(row.error).endswith("Unknown coordinator (an address)")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"address": "academy.example"}, "address"),
        ({"address": "https://academy.example/?a=b"}, "address"),
        ({"secret": ""}, "secret"),
        ({"secret": "two words"}, "secret"),
        ({"options": {"page_size": 0}}, "options.page_size"),
        ({"options": {"page_size": True}}, "options.page_size"),
        ({"options": {"colour": "red"}}, "options.colour"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, Any], named: str) -> None:
    settings = {"address": "https://academy.example/api", "secret": "token", **changes}
    with pytest.raises(SettingsInvalid) as raised:
        connector.open(SystemAccess("academy", **settings))
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [named]


def test_the_probe_names_what_each_flow_lacks(academy: SimulatedAcademy, system: Any) -> None:
    academy.faults.next("/results*", SimulatedFault.http(403))
    findings = {found.check: found for found in system.probe()}
    assert findings["results: write"].verdict is Verdict.MISSING
    assert findings["results: write"].affects == ("results",)
    others = [found for check, found in findings.items() if check != "results: write"]
    assert {found.verdict for found in others} == {Verdict.OK}
    assert not academy.offerings
    assert not academy.results


def test_single_puts_are_idempotent(academy: SimulatedAcademy, address: str) -> None:
    headers = {"Authorization": f"Bearer {academy.token}"}
    item = dict(offering_request(1, offering("O/1")).desired)
    url = f"{address}/offerings/O%2F1"
    statuses = [
        requests.put(url, json=item, headers=headers, timeout=120).status_code for _ in range(2)
    ]
    assert statuses == [201, 200]
    other = requests.put(f"{address}/offerings/O2", json=item, headers=headers, timeout=120)
    assert (other.status_code, other.headers["Content-Type"]) == (422, "application/problem+json")
    assert requests.get(address, timeout=120).status_code == 401
