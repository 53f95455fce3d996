"""`centre check` of systems that speak only LTI: what is missing, and what helps."""

from __future__ import annotations

from typing import Any

import pytest

from lms_bridge.domain.ports import ProbeFinding, Verdict
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Status
from lms_bridge.lti.vocabulary import AGS_SCOPES, MEMBERSHIP_READ
from tests.integration.lti_connector.world import Connected
from tests.peers.rosters import person


def probed(system: Any) -> dict[str, ProbeFinding]:
    try:
        return {finding.check: finding for finding in system.probe()}
    finally:
        system.close()


def lacking(system: Any) -> set[str]:
    """The checks that do not end well; each of them says what helps."""
    found = {name: each for name, each in probed(system).items() if each.verdict is not Verdict.OK}
    for each in found.values():
        assert each.remedy or each.verdict is Verdict.MISSING, each
        assert "@" not in each.message
    return set(found)


def academy_with(connected: Connected, *people: dict[str, Any], **more: Any) -> LtiRegistration:
    registration = connected.connect_platform(**more)
    connected.launched(registration, connected.add_offering("SAMPLE-A"), "c5")
    connected.platform.courses["c5"] = list(people)
    return registration


def test_a_missing_connection_is_reported(connected: Connected) -> None:
    found = probed(connected.open_centre("tool"))
    assert found["tool connected"].verdict is Verdict.MISSING
    assert "lti invite" in found["tool connected"].remedy
    found = probed(connected.open_academy())
    assert "lti invite-platform" in found["platform connected"].remedy


def test_a_pending_connection_is_reported(connected: Connected) -> None:
    registration = connected.connect_tool(status=Status.PENDING)
    found = probed(connected.open_centre("tool"))
    assert f"lti show {registration.id}" in found["tool connected"].remedy
    assert len(found) == 1


def test_a_complete_tool_lacks_nothing(connected: Connected) -> None:
    connected.connect_tool()
    assert lacking(connected.open_centre("tool")) == set()


def test_every_missing_service_of_a_tool_is_reported(connected: Connected) -> None:
    registration = connected.connect_tool(
        scopes=AGS_SCOPES[:1], deep_link_uri="", jwks_uri=f"{connected.platform.address}/none"
    )
    assert lacking(connected.open_centre("tool")) == {
        f"key set of connection {registration.id}",
        f"memberships service of connection {registration.id}",
        f"scores service of connection {registration.id}",
        f"choice of resources at connection {registration.id}",
    }


def test_a_complete_platform_lacks_nothing(connected: Connected) -> None:
    academy_with(connected, person("1"), person("2"))
    found = probed(connected.open_academy())
    assert {each.verdict for each in found.values()} == {Verdict.OK}
    assert "Learners: 2." in found["roster of SAMPLE-A"].message


@pytest.mark.parametrize(
    ("kept_back", "check"),
    [
        ({"email": ""}, "e-mail address in SAMPLE-A"),
        ({"given_name": "", "family_name": ""}, "name in SAMPLE-A"),
        ({"lis_person_sourcedid": ""}, "id of the register in SAMPLE-A"),
    ],
)
def test_members_without_ids_or_addresses_are_reported(
    connected: Connected, kept_back: dict[str, str], check: str
) -> None:
    academy_with(connected, person("1", **kept_back), person("2"))
    assert lacking(connected.open_academy()) == {check}


def test_sourced_ids_are_not_needed_where_the_platforms_own_ids_count(
    connected: Connected,
) -> None:
    academy_with(connected, person("1", lis_person_sourcedid=""), person_id=PersonId.SUB)
    assert lacking(connected.open_academy()) == set()


def test_a_platform_without_a_course_is_reported(connected: Connected) -> None:
    connected.connect_platform("SAMPLE")
    assert lacking(connected.open_centre("platform")) == {"courses"}


def test_a_refusing_platform_is_reported(connected: Connected) -> None:
    registration = academy_with(connected, scopes=(MEMBERSHIP_READ,))
    connected.platform.fault = "denied"
    token = probed(connected.open_academy())[f"service token of connection {registration.id}"]
    assert "(status 401): invalid_client." in token.message
    assert f"lti show {registration.id}" in token.remedy
    assert lacking(connected.open_academy()) == {
        f"service token of connection {registration.id}",
        f"scores service of connection {registration.id}",
        "roster of SAMPLE-A",
    }


def test_a_course_without_the_roster_service_is_reported(connected: Connected) -> None:
    registration = connected.connect_platform("SAMPLE")
    connected.launched(registration, connected.add_offering("SAMPLE-A"), "c5", memberships=False)
    found = probed(connected.open_centre("platform"))
    assert found["roster of SAMPLE-A"].verdict is Verdict.MISSING
    assert "Names and Role" in found["roster of SAMPLE-A"].remedy


def test_members_without_sourced_ids_are_reported(connected: Connected) -> None:
    registration = connected.connect_platform("SAMPLE")
    connected.launched(registration, connected.add_offering("SAMPLE-A"), "c5")
    connected.platform.courses["c5"] = [person("1", email="", lis_person_sourcedid="")]
    assert lacking(connected.open_centre("platform")) == {"ids in SAMPLE-A"}


def test_a_roster_without_a_learner_is_reported(connected: Connected) -> None:
    academy_with(connected, person("1", roles=["Instructor"]), person("2", roles=["Mentor"]))
    found = probed(connected.open_academy())["roster of SAMPLE-A"]
    assert found.verdict is Verdict.WARNING
    assert "Nobody on the roster has a learner's role in the course. Members: 2." in found.message
    assert found.remedy
