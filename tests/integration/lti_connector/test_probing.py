"""`centre check` of systems that speak only LTI: what is missing, and what helps."""

from __future__ import annotations

from typing import Any

import pytest

from lms_bridge.domain.ports import Finding, Verdict
from lms_bridge.lti.parties import Party, PersonId, Status
from lms_bridge.lti.vocabulary import AGS_SCOPES, MEMBERSHIP_READ
from tests.integration.lti_connector.world import Connected
from tests.peers.rosters import person


def probed(system: Any) -> dict[str, Finding]:
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


def academy_with(connected: Connected, *people: dict[str, Any], **more: Any) -> Party:
    party = connected.connect_platform(**more)
    connected.launched(party, connected.add_offering("SAMPLE-A"), "c5")
    connected.platform.courses["c5"] = list(people)
    return party


def test_nothing_is_connected(connected: Connected) -> None:
    found = probed(connected.open_centre("tool"))
    assert found["tool connected"].verdict is Verdict.MISSING
    assert "lti invite" in found["tool connected"].remedy
    found = probed(connected.open_academy())
    assert "lti invite-platform" in found["platform connected"].remedy


def test_a_connection_that_waits(connected: Connected) -> None:
    party = connected.connect_tool(status=Status.PENDING)
    found = probed(connected.open_centre("tool"))
    assert f"lti show {party.id}" in found["tool connected"].remedy
    assert len(found) == 1


def test_a_tool_in_order(connected: Connected) -> None:
    connected.connect_tool()
    assert lacking(connected.open_centre("tool")) == set()


def test_a_tool_with_too_little(connected: Connected) -> None:
    party = connected.connect_tool(
        scopes=AGS_SCOPES[:1], deep_link_uri="", jwks_uri=f"{connected.platform.address}/none"
    )
    assert lacking(connected.open_centre("tool")) == {
        f"key set of connection {party.id}",
        f"memberships service of connection {party.id}",
        f"scores service of connection {party.id}",
        f"choice of resources at connection {party.id}",
    }


def test_a_platform_in_order(connected: Connected) -> None:
    academy_with(connected, person("1"), person("2"))
    found = probed(connected.open_academy())
    assert {each.verdict for each in found.values()} == {Verdict.OK}
    assert "2 learner(s)" in found["roster of SAMPLE-A"].message


@pytest.mark.parametrize(
    ("kept_back", "check"),
    [
        ({"email": ""}, "e-mail address in SAMPLE-A"),
        ({"given_name": "", "family_name": ""}, "name in SAMPLE-A"),
        ({"lis_person_sourcedid": ""}, "id of the register in SAMPLE-A"),
    ],
)
def test_people_who_come_without_their_data(
    connected: Connected, kept_back: dict[str, str], check: str
) -> None:
    academy_with(connected, person("1", **kept_back), person("2"))
    assert lacking(connected.open_academy()) == {check}


def test_ids_of_the_register_are_not_asked_for_where_the_platforms_own_count(
    connected: Connected,
) -> None:
    academy_with(connected, person("1", lis_person_sourcedid=""), person_id=PersonId.SUB)
    assert lacking(connected.open_academy()) == set()


def test_no_course_yet(connected: Connected) -> None:
    connected.connect_platform("SAMPLE")
    assert lacking(connected.open_centre("platform")) == {"courses"}


def test_a_platform_that_refuses(connected: Connected) -> None:
    party = academy_with(connected, scopes=(MEMBERSHIP_READ,))
    connected.platform.fault = "denied"
    assert lacking(connected.open_academy()) == {
        f"service token of connection {party.id}",
        f"scores service of connection {party.id}",
        "roster of SAMPLE-A",
    }


def test_a_course_without_the_service(connected: Connected) -> None:
    party = connected.connect_platform("SAMPLE")
    connected.launched(party, connected.add_offering("SAMPLE-A"), "c5", memberships=False)
    found = probed(connected.open_centre("platform"))
    assert found["roster of SAMPLE-A"].verdict is Verdict.MISSING
    assert "Names and Role" in found["roster of SAMPLE-A"].remedy


def test_strangers_at_a_centre(connected: Connected) -> None:
    party = connected.connect_platform("SAMPLE")
    connected.launched(party, connected.add_offering("SAMPLE-A"), "c5")
    connected.platform.courses["c5"] = [person("1", email="", lis_person_sourcedid="")]
    assert lacking(connected.open_centre("platform")) == {"ids in SAMPLE-A"}
