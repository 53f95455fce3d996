"""The connector academy_http against the simulated platform, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from connectors.academy_http import connector
from lms_bridge.domain.errors import (
    AccessDenied,
    IncompleteRead,
    NotUnderstood,
    Overloaded,
    RecordRefused,
    SettingsInvalid,
    Unreachable,
)
from lms_bridge.domain.ports import Access, Action, Answer, Done, Failed, Limits, Order, Verdict
from lms_bridge.simulators.academy import Academy, Fault, FaultKind, serve
from lms_bridge.testing.samples import CENTRE, learner_fields, offering, offering_order

LIMITS = Limits(attempts=1, read_seconds=5)


def opened(academy: Academy, address: str, **changes: Any) -> Any:
    options = {"limits": LIMITS, "private_addresses": True, **changes}
    return connector.open(Access("academy", address, academy.token, **options))


@pytest.fixture
def academy() -> Academy:
    return Academy()


@pytest.fixture
def address(academy: Academy) -> Iterator[str]:
    with serve(academy) as served:
        yield served


@pytest.fixture
def system(academy: Academy, address: str) -> Iterator[Any]:
    connected = opened(academy, address, options={"page_size": 2})
    yield connected
    connected.close()


def orders(count: int) -> list[Order]:
    return [offering_order(key, offering(f"O{key:03}", f"T{key}")) for key in range(count)]


def people(academy: Academy, count: int) -> list[str]:
    return [academy.enrol(CENTRE, "O1", learner_fields(f"p{number}")) for number in range(count)]


def whole(system: Any) -> list[Answer]:
    return list(system.read_registrations(CENTRE, {}))


def ids(answers: list[Answer]) -> list[str]:
    return [raw.external_id for answer in answers for raw in answer.parse()]


def test_thousands_go_in_batches_of_a_hundred(academy: Academy, system: Any) -> None:
    outcomes = list(system.write_offerings(orders(1_050)))
    assert [type(outcome) for outcome in outcomes] == [Done] * 1_050
    assert academy.requests["POST /offerings/batch"] == 11
    assert len(academy.offerings) == 1_050


def test_a_batch_that_is_refused_whole_is_halved_down_to_its_rows(
    academy: Academy, system: Any
) -> None:
    academy.whole_batches = True
    academy.refused = {"O007", "O093"}
    outcomes = list(system.write_offerings(orders(100)))
    failed = {outcome.key: outcome.error for outcome in outcomes if isinstance(outcome, Failed)}
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
    status: int, kind: type[Exception], academy: Academy, system: Any
) -> None:
    academy.faults.next(Fault(FaultKind.STATUS, status=status, retry_after="3"), after=1)
    outcomes = []
    with pytest.raises(kind):
        outcomes.extend(system.write_offerings(orders(150)))
    assert len(academy.offerings) == 100


def test_retry_after_reaches_the_caller(academy: Academy, system: Any) -> None:
    academy.faults.next(Fault(FaultKind.STATUS, status=503, retry_after="120"))
    with pytest.raises(Overloaded) as raised:
        list(system.write_offerings(orders(1)))
    assert raised.value.after == 120


def test_a_garbled_answer_is_not_understood(academy: Academy, system: Any) -> None:
    academy.faults.next(Fault(FaultKind.GARBLED))
    with pytest.raises(NotUnderstood):
        whole(system)


def test_a_repeated_batch_has_the_same_key_and_a_new_one_another(
    academy: Academy, address: str
) -> None:
    patient = opened(academy, address, limits=Limits(attempts=3, backoff_seconds=0))
    academy.faults.next(Fault(FaultKind.LOST, path="/offerings"))
    for _ in range(2):
        assert len(list(patient.write_offerings(orders(3)))) == 3
    patient.close()
    assert academy.requests["POST /offerings/batch"] == 3
    assert len(academy.answered) == 2


def test_a_change_to_and_fro_is_stored(academy: Academy, system: Any) -> None:
    for title in ("A", "B", "A"):
        list(system.write_offerings([offering_order(1, offering("O1", title))]))
    assert academy.offerings["O1"]["title"] == "A"


def test_an_order_without_identity_fails_alone(academy: Academy, system: Any) -> None:
    nameless = Order(5, Action.REMOVE, "", {"state": "removed"})
    outcomes = list(system.write_offerings([nameless, *orders(1)]))
    assert [type(outcome) for outcome in outcomes] == [Failed, Done]


def test_pages_keep_their_order_and_scopes(academy: Academy, system: Any) -> None:
    enrolments = people(academy, 5)
    before = whole(system)
    assert ids(before) == enrolments
    academy.withdraw(enrolments[0])
    academy.enrol(CENTRE, "O1", learner_fields("late"))
    after = whole(system)
    assert [answer.scope for answer in after] == [answer.scope for answer in before]
    changed = [b.scope for b, a in zip(before, after, strict=True) if b.body != a.body]
    assert changed == [before[0].scope, before[2].scope]


def test_what_changes_during_a_whole_read_is_followed_afterwards(
    academy: Academy, system: Any
) -> None:
    enrolments = people(academy, 5)
    reading = system.read_registrations(CENTRE, {})
    answers = [next(reading)]
    academy.withdraw(enrolments[0])
    answers.extend(reading)
    followed = list(system.registrations_since(CENTRE, {}, answers[-1].cursor))
    assert ids(followed) == [enrolments[0]]
    assert not followed[0].whole


def test_changes_come_in_pages_too(academy: Academy, system: Any) -> None:
    enrolments = people(academy, 5)
    cursor = whole(system)[-1].cursor
    for enrolment in enrolments:
        academy.withdraw(enrolment)
    followed = list(system.registrations_since(CENTRE, {}, cursor))
    assert ids(followed) == enrolments
    assert [bool(answer.cursor) for answer in followed] == [False, False, True]
    quiet = list(system.registrations_since(CENTRE, {}, followed[-1].cursor))
    assert ids(quiet) == []


def test_a_cursor_that_is_gone_makes_it_read_everything_once(academy: Academy, system: Any) -> None:
    enrolments = people(academy, 3)
    academy.oldest_change = 2
    answers = list(system.registrations_since(CENTRE, {}, "c1"))
    assert ids(answers) == enrolments
    assert not any(answer.whole for answer in answers)
    assert answers[-1].cursor == "c3"


def test_a_cursor_that_is_too_long_to_be_kept(academy: Academy, system: Any) -> None:
    academy.last_change = 10**201
    with pytest.raises(NotUnderstood, match="200 characters"):
        whole(system)


def test_a_page_that_is_gone_midway_is_no_snapshot(academy: Academy, system: Any) -> None:
    people(academy, 3)
    academy.faults.next(Fault(FaultKind.STATUS, status=410), after=1)
    with pytest.raises(IncompleteRead):
        whole(system)


def test_codes_with_odd_characters_arrive(academy: Academy, system: Any) -> None:
    code = "O/1 & é,?#"
    list(system.write_offerings([offering_order(1, offering(code, "Odd"))]))
    [answer] = system.show_offerings([code])
    assert [raw.fields["title"] for raw in answer.parse()] == ["Odd"]


def test_an_offering_that_is_gone_is_shown_as_removed(academy: Academy, system: Any) -> None:
    list(system.write_offerings(orders(2)))
    del academy.offerings["O001"]
    [answer] = system.show_offerings(["O000", "O001"])
    states = {raw.external_id: raw.fields["state"] for raw in answer.parse()}
    assert states == {"O000": "active", "O001": "removed"}


def test_no_address_in_a_title_is_repeated(academy: Academy, system: Any) -> None:
    academy.refused = {"O000"}
    academy.refusal = "Unknown coordinator anna@leak.example.org"
    [row] = system.write_offerings(orders(1))
    assert isinstance(row, Failed)
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
def test_settings_are_checked(changes: dict[str, Any], named: str) -> None:
    settings = {"address": "https://academy.example/api", "secret": "token", **changes}
    with pytest.raises(SettingsInvalid) as raised:
        connector.open(Access("academy", **settings))
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [named]


def test_the_probe_tells_flow_by_flow_what_is_missing(academy: Academy, system: Any) -> None:
    academy.faults.next(Fault(FaultKind.STATUS, "/results", status=403))
    findings = {found.check: found for found in system.probe()}
    assert findings["results: write"].verdict is Verdict.MISSING
    assert findings["results: write"].affects == ("results",)
    others = [found for check, found in findings.items() if check != "results: write"]
    assert {found.verdict for found in others} == {Verdict.OK}
    assert not academy.offerings
    assert not academy.results


def test_single_puts_are_idempotent(academy: Academy, address: str) -> None:
    headers = {"Authorization": f"Bearer {academy.token}"}
    item = dict(offering_order(1, offering("O/1")).wanted)
    url = f"{address}/offerings/O%2F1"
    statuses = [
        requests.put(url, json=item, headers=headers, timeout=5).status_code for _ in range(2)
    ]
    assert statuses == [201, 200]
    other = requests.put(f"{address}/offerings/O2", json=item, headers=headers, timeout=5)
    assert (other.status_code, other.headers["Content-Type"]) == (422, "application/problem+json")
    assert requests.get(address, timeout=5).status_code == 401
