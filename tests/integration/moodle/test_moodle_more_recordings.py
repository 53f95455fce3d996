"""The connector against each exchange of a real Moodle 4.5 about what was deleted or hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.connectors.moodle.grades import completions
from lms_bridge.connectors.moodle.options import CENTRE
from lms_bridge.connectors.moodle.site import MoodleSite, open_site
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import (
    Action,
    Limits,
    Page,
    PageError,
    Removal,
    SystemAccess,
    WriteFailed,
    WriteRequest,
)
from tests.integration.moodle.records import by_key, enrol, learner, leave
from tests.integration.moodle.replay import MORE, Replay

USERS, ROSTER = "core_user_get_users_by_field", "core_enrol_get_enrolled_users"
COURSES, GRADES = "core_course_get_courses_by_field", "gradereport_user_get_grade_items"
ENROL, UNENROL = "enrol_manual_enrol_users", "enrol_manual_unenrol_users"
INFO, GROUPS = "core_webservice_get_site_info", "core_group_get_course_groups"
CREATE, UPDATE = "core_user_create_users", "core_user_update_users"
STATUS = "core_completion_get_course_completion_status"
EVERYBODY = "roster_with_suspended_account"
NOBODY = "account_deleted_by_idnumber"


@dataclass(frozen=True)
class Case:
    """What the connector makes of an exchange. ``others`` are the answers to its other calls."""

    call: Callable[[MoodleSite], Any]
    made: Any
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(BridgeError) as caught:
        call()
    return caught.value.code


def failures(outcomes: Any) -> dict[int, str]:
    return {
        key: each.error.code if isinstance(each, WriteFailed) else "written"
        for key, each in by_key(outcomes).items()
    }


def results(site: MoodleSite, course: str) -> list[Any]:
    """For each answer its error, or (people, how many have a score)."""
    found: list[Any] = []
    for answer in MoodleCentre(site).read_results([course]):
        if isinstance(answer, PageError):
            found.append(answer.error.code)
        else:
            raws = list(answer.parse())
            found.append((len(raws), sum(raw.fields.get("score") is not None for raw in raws)))
    return found


def rosters(site: MoodleSite, course: str) -> list[Any]:
    return [
        len(list(answer.parse())) if isinstance(answer, Page) else (answer.error.code, answer.gone)
        for answer in MoodleCentre(site).show_enrolments([course])
    ]


def accounts(site: MoodleSite, account: str) -> dict[str, object]:
    pages = MoodleCentre(site).show_accounts({account: {}})
    return {
        raw.external_id: raw.fields["state"]
        for page in pages
        if isinstance(page, Page)
        for raw in page.parse()
    }


def titles(site: MoodleSite) -> list[str]:
    return [str(row["fullname"])[:20] for row in site.client.rows(COURSES, name="courses")]


def created(site: MoodleSite) -> dict[int, str]:
    return failures(MoodleCentre(site).write_learners([learner(1, "rec-887167-9")]))


def renamed(site: MoodleSite) -> dict[int, str]:
    document = {"academy_id": "rec-887167-4", "given_name": "x"}
    request = WriteRequest(1, Action.UPDATE, "3962", document, changed=("given_name",))
    return failures(MoodleCentre(site).write_learners([request]))


def enrolled(site: MoodleSite, person: int = 3958, course: str = "467") -> dict[int, str]:
    request = enrol(1, person, course, is_retry=True)
    return failures(MoodleCentre(site).write_enrolments([request], Removal.SUSPEND))


def ended(site: MoodleSite, removal: Removal, course: str = "467") -> dict[int, str]:
    return failures(MoodleCentre(site).write_enrolments([leave(1, 3958, course)], removal))


PEOPLE = {ROSTER: (EVERYBODY,), USERS: ("account_suspended",)}
GONE = {COURSES: ("course_deleted_by_field",), ROSTER: ("course_deleted_roster",)}
TAKEN = Case(created, {1: "invalidparameter"}, {USERS: (NOBODY,)})
BOTH = ["Broadband policyPoli", "{mlang en}Spectrum{m"]
RAW = ['<span lang="en" clas', "{mlang en}Spectrum{m"]
ONE = ["Broadband policy", "{mlang en}Spectrum{m"]

CASES: dict[str, Case] = {
    "grades_of_course": Case(lambda site: results(site, "467"), [(5, 3)], PEOPLE),
    "grades_hidden_total_seen": Case(lambda site: results(site, "469"), [(3, 3)], PEOPLE),
    "grades_hidden_total_not_seen": Case(
        lambda site: results(site, "469"), [(0, 0), "total-not-seen"], PEOPLE
    ),
    "completion_not_tracked": Case(lambda site: completions(site, 467, [3958])[1], {}),
    "create_user_name_taken": TAKEN,
    "create_user_email_taken": TAKEN,
    "create_user_idn_email": TAKEN,
    "create_user_bad_country": Case(
        lambda site: site.client.rows(CREATE)[0]["username"], "rec887167z"
    ),
    "account_suspended": Case(lambda site: accounts(site, "3961"), {"3961": "suspended"}),
    "roster_with_suspended_account": Case(lambda site: len(site.client.rows(ROSTER)), 5),
    "account_deleted_looked_up": Case(lambda site: accounts(site, "3962"), {"3962": "gone"}),
    "account_deleted_by_idnumber": Case(lambda site: site.client.rows(USERS), []),
    "account_deleted_updated": Case(renamed, {1: "account-gone"}),
    "account_deleted_enrolled": Case(
        lambda site: enrolled(site, 3962), {1: "account-gone"}, PEOPLE
    ),
    "account_deleted_unenrolled": Case(
        lambda site: error_of(lambda: site.client.call(UNENROL)), "userdeleted"
    ),
    "course_deleted_by_ids": Case(
        lambda site: error_of(lambda: site.client.call("core_course_get_courses")),
        "accessexception",
    ),
    "course_deleted_by_field": Case(lambda site: site.find_courses("id", "468"), []),
    "course_deleted_roster": Case(
        lambda site: rosters(site, "468"), [("course-gone", True)], {**GONE, **PEOPLE, **GONE}
    ),
    "course_deleted_grades": Case(
        lambda site: results(site, "468"), ["course-gone"], {**PEOPLE, **GONE}
    ),
    "course_deleted_suspend": Case(
        lambda site: ended(site, Removal.SUSPEND, "468"), {1: "written"}, {**PEOPLE, **GONE}
    ),
    "course_deleted_groups": Case(
        lambda site: rosters(site, "468#E-1"), [("course-gone", True)], {**PEOPLE, **GONE}
    ),
    "course_hidden_roster": Case(lambda site: len(site.client.rows(ROSTER)), 4),
    "no_manual_method_enrol": Case(enrolled, {1: "wsnoinstance"}, PEOPLE),
    "no_manual_method_unenrol": Case(
        lambda site: ended(site, Removal.UNENROL), {1: "wsnoinstance"}, PEOPLE
    ),
    "no_manual_method_methods": Case(
        lambda site: error_of(lambda: site.client.call("core_enrol_get_course_enrolment_methods")),
        "accessexception",
    ),
    "token_expired_first": Case(lambda site: error_of(lambda: site.info), "accessexception"),
    "token_expired_second": Case(lambda site: error_of(lambda: site.info), "invalidtoken"),
    "service_account_suspended": Case(
        lambda site: error_of(lambda: site.info), "wsaccessusersuspended"
    ),
    "multilang_names_default": Case(titles, BOTH),
    "multilang_names_raw": Case(titles, RAW),
    "multilang_names_filter": Case(titles, ONE),
    "multilang_names_filter_fr": Case(titles, ONE),
    "multilang_names_raw_and_filter": Case(titles, RAW),
}


@pytest.fixture
def opened() -> Iterator[Callable[[str, Case], MoodleSite]]:
    replays: list[Replay] = []

    def make(name: str, case: Case) -> MoodleSite:
        answers = {INFO: ("site_info_minimal_account",), **case.others}
        answers[MORE[name]["function"]] = (name,)
        replays.append(Replay(answers))
        limits = Limits(attempts=1, calls_at_once=1)
        options = {"completion": "off" if MORE[name]["function"] == GRADES else "auto"}
        access = SystemAccess(
            "centre:x", replays[-1].url, "t", options, limits=limits, private_addresses=True
        )
        return open_site(access, CENTRE)

    yield make
    for replay in replays:
        replay.close()


@pytest.mark.parametrize("name", list(MORE))
def test_each_exchange_means_what_it_should(
    name: str, opened: Callable[[str, Case], MoodleSite]
) -> None:
    assert CASES[name].call(opened(name, CASES[name])) == CASES[name].made
