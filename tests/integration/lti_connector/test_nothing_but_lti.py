"""An Academy and a centre that both speak only LTI: from the choice of a course to its grade."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lms_bridge.bootstrap import assemble
from lms_bridge.bridge import Bridge
from lms_bridge.domain.model import Kind
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.platform import chosen_resources, endpoints
from lms_bridge.store import links, offerings
from lms_bridge.sync.run import RunReport
from tests.databases import BOTH
from tests.integration.lti_chain.chain import Chain, chain_on
from tests.peers.rosters import person


@contextmanager
def with_academy_by_lti(bridge: Bridge) -> Iterator[Bridge]:
    """The same bridge, as if its settings named that connector."""
    settings = replace(
        bridge.settings, academy=replace(bridge.settings.academy, connector="academy_lti")
    )
    made = assemble(settings, bridge.database, bridge.vault)
    yield made
    made.lease_renewer.close()
    made.lti.close()


def run(bridge: Bridge) -> RunReport:
    report = bridge.runner().run(bridge.request(bridge.centre("ONE")))
    assert report.status == "done", (report.errors, report.counts)
    return report


def choose(chain: Chain) -> None:
    """A resource of the centre's tool is to become an offering."""
    world = chain.world
    item = {
        **dict.fromkeys(("description", "target", "label", "tag", "resource_id", "ends_at"), ""),
        "title": "Spectrum",
        "address": f"{world.tool.address}/launch?course=1",
        "custom": {},
        "maximum": "100",
        "starts_at": "2026-03-02T08:00:00+00:00",
    }
    with world.bridge.database.writing() as tx:
        chosen_resources.store(tx, world.registration.id, {"lti-1": item}, world.lti.now())


def code_of_the_chosen(chain: Chain) -> tuple[int, str]:
    with chain.world.bridge.database.reading() as tx:
        known = links.by_external_id(tx, "centre:ONE", Kind.OFFERING, ["lti-1"])["lti-1"]
        return known.record_id, offerings.offerings(tx, [known.record_id])[known.record_id].code


@BOTH
def test_a_chosen_course_is_launched_and_graded_by_lti_alone(database_address: str) -> None:
    with (
        chain_on(database_address) as chain,
        with_academy_by_lti(chain.world.bridge) as bridge,
    ):
        choose(chain)
        run(bridge)
        id_, code = code_of_the_chosen(chain)

        def as_teacher(claims: dict[str, Any]) -> None:
            claims[lti.ROLES] = ["Instructor"]

        assert chain.click("teacher-1", code, change=as_teacher).status == 200
        chain.academy.members = [
            person("learner-7"),
            person("learner-8"),
            person("teacher-1", roles=["Instructor"]),
        ]
        report = run(bridge)
        assert report.counts["enrolment.create.applied"] == 2
        assert report.counts["enrolment.create.acknowledged"] == 2
        served = chain.world.call("GET", endpoints.memberships(chain.world.address, id_)).json()
        assert [each["user_id"] for each in served["members"]] == ["learner-7", "learner-8"]

        claims = chain.launch("learner-7", code)
        assert claims[lti.TARGET_LINK_URI].endswith("/launch?course=1")
        assert chain.score(claims, 0, 1) == 204
        assert chain.scores() == [("learner-7", 0, "2026-03-01T10:01:00.000Z")]

        chain.academy.members.pop(0)
        run(bridge)
        assert chain.click("learner-7", code).code == "place-withdrawn"
