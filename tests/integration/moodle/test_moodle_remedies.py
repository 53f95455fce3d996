"""What a centre can mend is told with its place and the right remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.connectors.moodle.client import SITE_INFO
from lms_bridge.connectors.moodle.permission_checks import CENTRE_FUNCTIONS, CENTRE_OPTIONAL
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.policy import OnConflict
from lms_bridge.domain.ports import PageError, Removal, Verdict, WriteFailed, Written
from tests.integration.moodle.records import by_key, enrol, learner, leave
from tests.integration.moodle.site_nights import MoodleNights

Open = Callable[..., MoodleCentre]
Person = Callable[[int], int]
CREATE = "core_user_create_users"


@pytest.mark.parametrize("function", sorted(CENTRE_FUNCTIONS.keys() - {SITE_INFO}))
def test_a_run_names_a_function_that_the_service_lost(
    function: str, site: MoodleState, nights: MoodleNights
) -> None:
    """Moodle refuses it with the code that a token gets whose time is over."""
    nights.register(1)
    nights.good_night()
    site.completions.add_criterion(2)
    site.access.restrict(SERVICE_TOKEN, {*CENTRE_FUNCTIONS, *CENTRE_OPTIONAL} - {function})
    nights.register(2)
    nights.academy.change_person("SAMPLE-1", family_name="Other")
    report = nights.night()
    told = [str(error) for _, error in report.errors] + nights.messages(report)
    told = [each for each in told if function in each]
    assert told
    assert all(f"{function} is not in the token's service." in each for each in told)
    site.access.restrict(SERVICE_TOKEN, None)
    assert nights.night().status == "done"


@pytest.mark.parametrize("removal", [Removal.SUSPEND, Removal.UNENROL])
def test_a_course_without_manual_enrolments_is_named_with_the_remedy(
    removal: Removal, site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(2))
    site.catalogue.change(2, manual_enrolment=False)
    requests = [enrol(1, person(1)), leave(2, person(2)), enrol(3, person(1), "3")]
    found = by_key(centre_of().write_enrolments(requests, removal))
    for key in (1, 2):
        assert isinstance(found[key], WriteFailed)
        assert found[key].error.code == "wsnoinstance"
        assert found[key].error.message.startswith("Course 2:")
        assert "Manual enrolments" in found[key].error.remedy
    assert isinstance(found[3], Written)


@pytest.mark.parametrize(
    "code", ["sitepolicynotagreed", "forcepasswordchangenotice", "usernotfullysetup"]
)
def test_what_keeps_the_account_out_of_all_courses_is_named(
    code: str, site: MoodleState, nights: MoodleNights, centre_of: Open
) -> None:
    """Functions about courses only say that the account cannot enter, or show no dates."""
    nights.register(1)
    nights.good_night()
    site.kept_out = code
    report = nights.night()
    assert {error.code for _, error in report.errors} == {code}
    assert all("moodle-setup.php" in error.remedy for _, error in report.errors)
    assert not nights.messages(report)
    missing = [each for each in centre_of().probe() if each.verdict is Verdict.MISSING]
    assert [each.check for each in missing if "flow" not in each.check] == ["service account"]
    site.kept_out = ""
    nights.good_night()


@pytest.mark.parametrize("policy", list(OnConflict))
@pytest.mark.parametrize("method", ["manual_enabled", "manual_enrolment"])
def test_a_method_that_is_gone_is_named_as_the_cause_of_conflicts(
    policy: OnConflict, method: str, site: MoodleState, nights: MoodleNights
) -> None:
    """Moodle shows everybody whom the method enrolled as suspended, or not at all. Only the list
    of the course's methods tells why."""
    nights.policy = replace(nights.policy, conflict=policy)
    registered = [nights.register(1), nights.register(2)]
    nights.good_night()
    before = list(site.enrolments.of_course(2))
    site.catalogue.change(2, **{method: False})
    if method == "manual_enrolment":
        for each in before:
            site.unenrol(2, each.user_id)
    report = nights.night()
    causes = [each for each in nights.messages(report) if "no enabled manual enrolment" in each]
    assert len(causes) == len(registered)
    assert all("Course & 0" in each and "Enable the method" in each for each in causes)
    held = [each.why for each in report.waits if each.what == "held"]
    assert bool(held) == (policy is OnConflict.HOLD)
    assert all(causes[0] in each for each in held)
    site.catalogue.change(2, **{method: True})
    for each in before:
        site.enrolments.enrol(2, each.user_id, each.roles[0], each.timestart)
    nights.night()
    nights.good_night()  # nobody has to decide about it any more
    assert [row.status for row in nights.holds()] == ["outdated"] * len(held)


@pytest.mark.parametrize(
    "email",
    ["m\u00fcller@example.org", "a@ex\u00e4mple.org", "nonsense", "a@b", "a..b@example.org",
     "@x.org", "a@" + "x" * 100 + ".org"],
)  # fmt: skip
def test_a_bad_address_is_named_before_it_is_sent(
    email: str, site: MoodleState, centre_of: Open
) -> None:
    requests = [learner(1, "n-1", email=email), learner(2, "n-2")]
    found = by_key(centre_of().write_learners(requests))
    assert found[1].error.code == "bad-email"
    assert "n-1" in found[1].error.message
    assert email not in f"{found[1].error.message} {found[1].error.remedy}"
    assert isinstance(found[2], Written)
    assert site.calls[CREATE] == 1


@pytest.mark.parametrize("email", ["o'brien+itu@sub.example.co", "a_b.c-d@x-y.museum", "A@B.ORG"])
def test_a_good_address_is_sent(email: str, site: MoodleState, centre_of: Open) -> None:
    found = by_key(centre_of().write_learners([learner(1, "n-1", email=email)]))
    assert isinstance(found[1], Written)


def test_a_stale_count_of_courses_names_its_category_and_how_to_count_anew(
    site: MoodleState, centre_of: Open
) -> None:
    site.catalogue.stale_counts[1] = 9
    site.catalogue.categories[1].name = "{mlang en}Spectrum{mlang}{mlang fr}Spectre{mlang}"
    (answer,) = centre_of(categories=[1]).read_offerings()
    assert isinstance(answer, PageError)
    assert "Categories: 1 Spectrum." in answer.error.message
    assert "stale" in answer.error.remedy
    assert "moodle/course:viewhiddencourses" in answer.error.remedy


def test_a_refused_write_names_the_capability_that_is_missing(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    for capability in ("moodle/user:create", "enrol/manual:enrol"):
        site.revoke(capability)
    centre = centre_of()
    outcomes = [
        *centre.write_learners([learner(1, "n-1")]),
        *centre.write_enrolments([enrol(2, person(1))], Removal.SUSPEND),
    ]
    remedies = [each.error.remedy for each in outcomes if isinstance(each, WriteFailed)]
    assert "moodle/user:create" in remedies[0]
    assert "enrol/manual:enrol" in remedies[1]


def test_refused_grades_name_the_capability_that_is_missing(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(1))
    site.revoke("gradereport/user:view")
    (answer,) = centre_of().read_results(["2"])
    assert isinstance(answer, PageError)
    assert "gradereport/user:view" in answer.error.message
    assert "Allow gradereport/user:view and moodle/grade:viewall" in answer.error.remedy


def test_who_was_enrolled_before_the_groups_failed_is_the_bridges(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.options["groups"] = True
    registration = nights.register(1)
    site.revoke("moodle/course:managegroups")
    assert nights.night().status == "partial"
    account = nights.account(1)
    assert account is not None
    assert account.id in {each.user_id for each in site.enrolments if each.course_id == 2}
    site.grant("moodle/course:managegroups")
    report = nights.good_night()
    assert "found there" not in {state for *_, state in nights.items(report)}
    nights.academy.change(registration, "withdrawn")
    nights.good_night()
    (left,) = [each for each in site.enrolments if each.user_id == account.id]
    assert left.suspended
