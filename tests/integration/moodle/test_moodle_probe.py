"""The check of a Moodle names what is missing, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lms_bridge.connectors.moodle.academy import MoodleAcademy
from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.connectors.moodle.permission_checks import (
    CENTRE_FUNCTIONS,
    CENTRE_OPTIONAL,
    centre_checks,
)
from lms_bridge.connectors.moodle.probe import clock
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.ports import ProbeFinding, Probes, Removal, Verdict
from lms_bridge.web.sentences import PartKind, parts
from tests.sentences import OTHERS

Open = Callable[..., MoodleCentre]
DETECTED = [
    "moodle/course:view",
    "moodle/course:viewhiddencourses",
    "moodle/user:viewdetails",
    "moodle/user:viewalldetails",
    "moodle/site:viewuseridentity",
    "moodle/user:create",
    "moodle/user:update",
    "enrol/manual:enrol",
    "moodle/role:assign",
    "moodle/site:accessallgroups",
    "moodle/course:enrolreview",
    "report/completion:view",
]
WARNED = [
    "enrol/manual:unenrol",
    "moodle/course:managegroups",
]


def not_ok(system: Probes) -> dict[str, ProbeFinding]:
    """What is not in order, less the clock: the simulator does not tell the time."""
    found = {one.check: one for one in system.probe() if one.verdict is not Verdict.OK}
    found.pop("clock", None)
    return found


@pytest.fixture
def filled(site: MoodleState, person: Callable[[int], int]) -> MoodleState:
    for course in (2, 3, 4):
        site.enrolments.enrol(course, person(0))
        site.completions.add_criterion(course)
    return site


@pytest.mark.parametrize("names_tables", [True, False], ids=["4.5", "5.1"])
def test_a_complete_moodle_has_no_findings_and_is_not_changed(
    names_tables: bool, filled: MoodleState, centre_of: Open
) -> None:
    filled.names_tables = names_tables

    def everything() -> tuple[object, ...]:
        times = [course.timemodified for course in filled.catalogue]
        return len(filled.people), len(list(filled.enrolments)), times

    before = everything()
    assert not_ok(centre_of()) == {}
    assert everything() == before


@pytest.mark.parametrize("capability", DETECTED)
def test_each_missing_capability_is_named(
    capability: str, filled: MoodleState, centre_of: Open
) -> None:
    filled.revoke(capability)
    found = not_ok(centre_of())
    assert found[capability].verdict is Verdict.MISSING
    assert found[capability].affects
    assert found[capability].remedy
    for flow in found[capability].affects:
        assert found[f"flow {flow}"].verdict is Verdict.MISSING


@pytest.mark.parametrize(
    ("capability", "named"),
    [
        ("moodle/user:viewdetails", "moodle/user:viewdetails"),
        ("gradereport/user:view", "gradereport/user:view and moodle/grade:viewall"),
        ("moodle/grade:viewall", "gradereport/user:view and moodle/grade:viewall"),
    ],
)
def test_what_cannot_be_seen_for_want_of_one_capability_is_not_said_to_be_missing(
    capability: str, named: str, filled: MoodleState, centre_of: Open
) -> None:
    filled.revoke(capability)
    missing = {
        check for check, one in not_ok(centre_of()).items() if one.verdict is Verdict.MISSING
    }
    assert {check for check in missing if not check.startswith("flow ")} == {named}


def test_an_account_that_may_not_use_rest_is_told_which_right_it_lacks(
    filled: MoodleState, centre_of: Open
) -> None:
    filled.revoke("webservice/rest:use")
    found = not_ok(centre_of())
    assert found["connection"].verdict is Verdict.MISSING
    assert "webservice/rest:use" in found["connection"].remedy


@pytest.mark.parametrize("capability", WARNED)
def test_an_optional_capability_is_a_warning(
    capability: str, filled: MoodleState, centre_of: Open
) -> None:
    filled.revoke(capability)
    found = not_ok(centre_of())
    assert [one.verdict for one in found.values()] == [Verdict.WARNING]
    assert capability in found


def test_what_groups_need_is_missing_where_the_option_wants_them(
    filled: MoodleState, centre_of: Open
) -> None:
    filled.revoke("moodle/course:managegroups")
    found = not_ok(centre_of(groups=True))
    assert found["moodle/course:managegroups"].affects == ("enrolments",)
    assert found["flow enrolments"].verdict is Verdict.MISSING
    filled.grant("moodle/course:managegroups")
    functions = {*CENTRE_FUNCTIONS, *CENTRE_OPTIONAL} - {"core_group_add_group_members"}
    filled.access.restrict(SERVICE_TOKEN, functions)
    found = not_ok(centre_of(groups=True))
    assert found["function core_group_add_group_members"].affects == ("enrolments",)


@pytest.mark.parametrize(
    ("removal", "function"),
    [
        (Removal.UNENROL, "enrol_manual_unenrol_users"),
        (Removal.SUSPEND_DROP_ROLE, "core_role_unassign_roles"),
    ],
)
def test_a_function_that_the_removal_policy_needs_is_missing_without_it(
    removal: Removal, function: str, filled: MoodleState, centre_of: Open
) -> None:
    functions = {*CENTRE_FUNCTIONS, *CENTRE_OPTIONAL} - {function}
    filled.access.restrict(SERVICE_TOKEN, functions)
    assert not_ok(centre_of())[f"function {function}"].verdict is Verdict.WARNING
    found = not_ok(centre_of(removal=removal))
    assert found[f"function {function}"].affects == ("enrolments",)
    assert found["flow enrolments"].verdict is Verdict.MISSING


def test_the_right_to_unenrol_is_missing_where_the_policy_unenrols(
    filled: MoodleState, centre_of: Open
) -> None:
    filled.revoke("enrol/manual:unenrol")
    found = not_ok(centre_of(removal=Removal.UNENROL))
    assert found["enrol/manual:unenrol"].affects == ("enrolments",)


@pytest.mark.parametrize("capability", ["gradereport/user:view", "moodle/grade:viewall"])
def test_a_missing_grade_capability_affects_results(
    capability: str, filled: MoodleState, centre_of: Open
) -> None:
    filled.revoke(capability)
    found = not_ok(centre_of())
    assert found["gradereport/user:view and moodle/grade:viewall"].affects == ("results",)


@pytest.mark.parametrize("function", [*CENTRE_FUNCTIONS, *CENTRE_OPTIONAL])
def test_each_missing_function_is_named(
    function: str, filled: MoodleState, centre_of: Open
) -> None:
    everything = set(CENTRE_FUNCTIONS) | set(CENTRE_OPTIONAL)
    filled.access.restrict(SERVICE_TOKEN, sorted(everything - {function}))
    found = not_ok(centre_of())
    if function == "core_webservice_get_site_info":
        assert found["connection"].verdict is Verdict.MISSING
        return
    desired = Verdict.MISSING if function in CENTRE_FUNCTIONS else Verdict.WARNING
    assert found[f"function {function}"].verdict is desired
    missing = {check for check, one in found.items() if one.verdict is Verdict.MISSING}
    assert {check for check in missing if not check.startswith("flow ")} <= {f"function {function}"}


@pytest.mark.parametrize("refusal", ["codingerror", "invalidparameter"])
def test_older_moodles_that_refuse_an_unknown_account_otherwise_are_in_order(
    refusal: str, filled: MoodleState, centre_of: Open
) -> None:
    """Moodle 4.1 to 4.4."""
    filled.unknown_account = refusal
    assert not_ok(centre_of()) == {}


def test_a_refusal_that_nobody_knows_is_a_warning(filled: MoodleState, centre_of: Open) -> None:
    filled.unknown_account = "somethingnew"
    found = not_ok(centre_of())
    assert {one.verdict for one in found.values()} == {Verdict.WARNING}
    assert "enrol/manual:enrol" in found


def test_a_wrong_token_fails_the_connection_for_all_flows(
    filled: MoodleState, centre_of: Open
) -> None:
    filled.access.tokens.pop(SERVICE_TOKEN)
    lines = list(centre_of().probe())
    assert lines[0].check == "connection"
    assert lines[0].affects == ("offerings", "enrolments", "results")
    assert SERVICE_TOKEN not in repr(lines)


@pytest.mark.parametrize(
    ("hours", "verdict"), [(0, Verdict.OK), (1, Verdict.WARNING), (-1, Verdict.WARNING)]
)
def test_a_clock_that_is_an_hour_off_is_a_warning(hours: int, verdict: Verdict) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    assert clock({"Date": date}).verdict is verdict
    assert clock({}).verdict is Verdict.WARNING


@pytest.mark.parametrize(
    "capability", ["moodle/course:create", "moodle/course:update", "moodle/user:viewalldetails"]
)
def test_each_missing_capability_at_the_academy_is_named(
    capability: str, filled: MoodleState, academy_of: Callable[..., MoodleAcademy]
) -> None:
    assert not_ok(academy_of()) == {}
    filled.revoke(capability)
    assert not_ok(academy_of())[capability].verdict is Verdict.MISSING


CAPABILITY = r"[a-z]+/[a-z]+:[a-z]+"


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_missing_is_said_in_each_language(
    language: str, filled: MoodleState, centre_of: Open
) -> None:
    named = {right for check in centre_checks() for right in re.findall(CAPABILITY, check.name)}
    filled.revoke(*named - {"moodle/course:view"})
    findings = list(centre_of().probe())
    filled.access.restrict(SERVICE_TOKEN, ["core_webservice_get_site_info"])
    findings += centre_of().probe()
    for text in {text for one in findings for text in (one.check, one.message, one.remedy) if text}:
        found = parts(text, language)
        assert found or re.fullmatch(CAPABILITY, text), text
        assert all(each.kind is not PartKind.ENGLISH for each in found), text
        values = [each.text for each in found if each.kind is PartKind.VALUE]
        assert not [each for each in values if re.search("[a-z]{3} [a-z]{2}", each)], text
