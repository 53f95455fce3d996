"""The connector against what a real Moodle 4.5 answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lms_bridge.connectors.moodle import centre
from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.connectors.moodle.courses import offering_of
from lms_bridge.connectors.moodle.grades import completions
from lms_bridge.connectors.moodle.options import CENTRE
from lms_bridge.connectors.moodle.site import MoodleSite, open_site
from lms_bridge.domain.document import ITU_FIELDS
from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    IncompleteRead,
    NotUnderstood,
    Overloaded,
    RecordRefused,
)
from lms_bridge.domain.ports import Limits, Page, SystemAccess
from tests.integration.moodle.records import records, unread
from tests.integration.moodle.replay import EXCHANGES, Replay

TOKEN = "t0k3nvalue"
INFO, BY_FIELD = "core_webservice_get_site_info", "core_course_get_courses_by_field"
CATEGORIES, GRADES = "core_course_get_categories", "gradereport_user_get_grade_items"
ENROLLED, NOBODY = "core_enrol_get_enrolled_users", "roster_of_course_without_people"
STATUS = "core_completion_get_course_completion_status"


@pytest.fixture
def replay_of() -> Iterator[Callable[[dict[str, tuple[str, ...]]], Replay]]:
    replays: list[Replay] = []

    def make(answers: dict[str, tuple[str, ...]]) -> Replay:
        replays.append(Replay(answers))
        return replays[-1]

    yield make
    for replay in replays:
        replay.close()


def opened(replay: Replay, **options: object) -> MoodleSite:
    limits = Limits(attempts=1)
    return open_site(
        SystemAccess("centre:x", replay.url, TOKEN, options, limits=limits, private_addresses=True),
        CENTRE,
    )


def opened_centre(replay: Replay, **options: object) -> MoodleCentre:
    return MoodleCentre(opened(replay, **options))


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("error_invalid_token", AccessDenied, "invalidtoken"),
        ("token_expired", AccessDenied, "accessexception"),
        ("function_not_in_service", AccessDenied, "accessexception"),
        ("service_account_suspended", AccessDenied, "wsaccessusersuspended"),
        ("error_unknown_function", AccessDenied, "unknown-function"),
        ("web_services_disabled", AccessDenied, "web-services-off"),
        ("rest_protocol_disabled", AccessDenied, "web-services-off"),
        ("error_missing_capability_enrolled", AccessDenied, "errorcoursecontextnotvalid"),
        ("error_missing_capability_enrol", AccessDenied, "requireloginerror"),
        ("error_missing_capability_create_user", AccessDenied, "nopermissions"),
        ("enrol_role_not_assignable", AccessDenied, "wsusercannotassign"),
        ("error_no_format_is_xml", NotUnderstood, "not-json"),
        ("maintenance_mode", Overloaded, "asked-to-wait"),
        ("error_missing_param", RecordRefused, "invalidparameter"),
        ("error_unknown_course", RecordRefused, "invalidrecord"),
        ("enrol_unknown_user", RecordRefused, "invaliduser"),
        ("user_create_weak_password", RecordRefused, "refused"),
        ("course_create_duplicate_shortname", RecordRefused, "shortnametaken"),
        ("courses_by_field_ids_unknown_among_known", RecordRefused, "moodle-crashed"),
    ],
)
def test_each_error_of_moodle_has_its_class(
    name: str,
    kind: type[BridgeError],
    code: str,
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay],
) -> None:
    function = EXCHANGES[name]["function"]
    site = opened(replay_of({function: (name,)}))
    with pytest.raises(BridgeError) as caught:
        site.client.call(function)
    assert (type(caught.value), caught.value.code) == (kind, code)
    reported = f"{caught.value!r} {caught.value} {caught.value.remedy}"
    assert TOKEN not in reported
    assert "<div>" not in reported
    if kind is AccessDenied:
        assert caught.value.remedy


def test_half_of_a_character_costs_no_answer(
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXCHANGES["site_info"]["response"], "sitename", "Half of \ud83d")
    answer = opened(replay_of({INFO: ("site_info",)})).client.call(INFO)
    assert answer.value["sitename"] == "Half of \ufffd"


def test_every_request_asks_for_json_and_raw_texts_and_keeps_the_token_in_the_body(
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay],
) -> None:
    replay = replay_of({INFO: ("site_info",)})
    opened(replay).info  # noqa: B018 - looked up for its request
    assert replay.forms == [
        [
            ("wstoken", TOKEN),
            ("moodlewsrestformat", "json"),
            ("moodlewssettingraw", "true"),
            ("wsfunction", INFO),
        ]
    ]


def test_a_course_becomes_an_offering_of_stable_fields() -> None:
    row = EXCHANGES["courses_by_ids_raw"]["response"][0]
    raw = offering_of(row, ITU_FIELDS, "https://moodle.example.org")
    assert raw.external_id == "3"
    fields = dict(raw.fields)
    assert str(fields.pop("description")).startswith("<p>Summary")
    assert fields == {
        "title": "Course 0 – Spectre & réglementation",
        "course_code": "ITU-0",
        "address": "https://moodle.example.org/course/view.php?id=3",
        "starts_at": 1767225600,
        "ends_at": 1769817600,
        "modality": "Online instructor-led",
        "level": "Intermediate",
        "price": "150.00",
        "registration_closes": 1768000000,
        "status": "planned",
    }


def test_a_field_without_a_value_is_left_out() -> None:
    row = EXCHANGES["courses_by_field_idnumber"]["response"]["courses"][0]
    assert not {"modality", "price", "registration_closes"} & set(
        offering_of(row, ITU_FIELDS, "").fields
    )


def test_fewer_courses_than_moodle_counts_are_unread(
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay],
) -> None:
    """The recorded list is cut short, as one without the hidden courses would be."""
    replay = replay_of({CATEGORIES: ("categories",), BY_FIELD: ("courses_by_field_category",)})
    errors = unread(opened_centre(replay, categories=[2]).read_offerings())
    assert isinstance(errors["2"], IncompleteRead)
    assert "moodle/course:viewhiddencourses" in errors["2"].remedy


def test_a_minimal_account_reads_no_offerings(
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay],
) -> None:
    replay = replay_of({CATEGORIES: ("function_not_in_service",)})
    with pytest.raises(AccessDenied):
        list(opened_centre(replay).read_offerings())


def test_scores_come_with_their_scale(
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay],
) -> None:
    replay = replay_of({ENROLLED: (NOBODY,), GRADES: ("grade_items_with_grade",)})
    answers = list(opened_centre(replay, completion="off").read_results(["4"]))
    assert records(answers) == {
        "4/2027": {"score": 15.5, "scale_min": 0, "scale_max": 20, "graded_at": 1795456419}
    }
    assert isinstance(answers[0], Page)
    assert not answers[0].whole


def test_a_course_in_which_nothing_is_graded_says_nothing_about_scores(
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay],
) -> None:
    replay = replay_of({ENROLLED: (NOBODY,), GRADES: ("grade_items_all_users",)})
    assert records(opened_centre(replay, completion="off").read_results(["3"])) == {}


@pytest.mark.parametrize(
    ("name", "desired"),
    [
        ("completion_done", {7: {"completed": True}}),
        ("completion_status", {}),  # no criteria in the course
        ("completion_status_not_enrolled", {}),
    ],
)
def test_completion_is_read_one_by_one(
    name: str,
    desired: dict[int, Any],
    replay_of: Callable[[dict[str, tuple[str, ...]]], Replay],
) -> None:
    site = opened(replay_of({INFO: ("site_info_minimal_account",), STATUS: (name,)}))
    _, found = completions(site, 4, [7])
    assert found == desired


def test_the_connector_describes_itself() -> None:
    assert (centre.name, centre.sides, centre.needs_address) == (
        "moodle",
        frozenset({"centre"}),
        True,
    )
