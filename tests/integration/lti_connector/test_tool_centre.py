"""A centre whose LMS is a tool: from the choice of its resources to results, over real HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import Centre, Kind, Offering
from lms_bridge.domain.policy import Policy
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import chosen_resources, endpoints, storage
from lms_bridge.lti.platform.launch import start_deep_linking, start_launch
from lms_bridge.lti.registrations import LtiRegistration, Status
from lms_bridge.store import centres
from lms_bridge.store.offerings import add_offerings, offerings_by_code
from lms_bridge.store.run_tables import lease
from lms_bridge.store.tables import enrolment, learner, result
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.integration.lti_connector.world import LtiNights
from tests.integration.lti_platform.test_commands import Cli
from tests.integration.lti_platform.waiting import until
from tests.integration.lti_platform.world import BROWSER, Tool, World, add_tool, form_of, world_on

CENTRE = Centre("LTI", "Sample centre of LTI", "africa", "lti", sample=True)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Chain:
    """The served bridge, a centre whose LMS is a tool, and nights between it and an Academy."""

    world: World
    registration: LtiRegistration
    night: LtiNights

    @property
    def tool(self) -> Tool:
        return self.world.tool

    def ask(self, offering: str = "", **more: Any) -> dict[str, Any]:
        """The claims of a request to choose new offerings of the centre, or for one offering."""
        about = {"centre": "" if offering else "LTI", "registration_id": self.registration.id}
        login = start_deep_linking(
            self.world.lti, offering, person="operator", browser=BROWSER, **(about | more)
        )
        answer = self.world.authenticate(self.world.auth_request(login))
        return self.world.read(form_of(answer.text)["id_token"])

    def choose(self, *items: dict[str, Any], offering: str = "") -> str:
        """Answers such a request with these items; gives the page that is shown."""
        settings = self.ask(offering)[lti.DEEP_LINKING_SETTINGS]
        now = int(time.time())
        answer = {
            "iss": self.registration.client_id,
            "aud": self.world.address,
            "iat": now,
            "exp": now + 60,
            "nonce": secrets.token_hex(8),
            lti.MESSAGE_TYPE: lti.DEEP_LINKING_RESPONSE,
            lti.LTI_VERSION: lti.VERSION,
            lti.DEPLOYMENT_ID: "dep-1",
            lti.DL_DATA: settings["data"],
            lti.CONTENT_ITEMS: list(items),
        }
        body = f"JWT={self.tool.sign(answer)}".encode()
        page = self.world.call("POST", settings["deep_link_return_url"], "-", body, **FORM)
        assert page.status_code == 200, page.text
        return page.text

    def item(self, number: int, **more: Any) -> dict[str, Any]:
        return {
            "type": "ltiResourceLink",
            "title": f"Course {number}",
            "url": f"{self.tool.address}/launch?course={number}",
            "custom": {"course": str(number)},
            "lineItem": {"scoreMaximum": 20, "resourceId": f"c-{number}"},
            "available": {"startDateTime": "2026-05-04T08:00:00Z"},
            **more,
        }

    def code(self, title: str) -> str:
        (found,) = [code for code in self.night.codes().values() if self.offering(code)[1] == title]
        return found

    def offering(self, code: str) -> tuple[int, str, str]:
        """(id, title, status)"""
        with self.world.bridge.database.reading() as tx:
            id_, record = offerings_by_code(tx, [code])[code]
        return id_, record.title, record.status

    def members(self, code: str) -> list[str]:
        """Whom the tool is told of."""
        address = endpoints.memberships(self.world.address, self.offering(code)[0])
        answer = self.world.call("GET", address)
        assert answer.status_code == 200, answer.text
        return [each["user_id"] for each in answer.json()["members"] if each["status"] == "Active"]

    def results(self) -> list[tuple[str, int, int, bool]]:
        """(learner, score, highest score, completed)"""
        query = select(
            learner.c.academy_id, result.c.score, result.c.scale_max, result.c.completed
        ).select_from(result.join(enrolment).join(learner))
        with self.world.bridge.database.reading() as tx:
            return [tuple(row) for row in tx.execute(query)]

    def is_busy(self) -> bool:
        """Whether a run of the centre is under way: a run of its own imports scores."""
        with self.world.bridge.database.reading() as tx:
            return tx.execute(select(lease).where(lease.c.name == "run:LTI")).first() is not None

    def launch(self, who: str, code: str) -> dict[str, Any]:
        self.world.registration = self.registration
        return self.world.launch(who, code)


@pytest.fixture
def chain(database_address: str) -> Iterator[Chain]:
    with world_on(database_address) as world:
        with world.bridge.database.writing() as tx:
            centres.add(tx, CENTRE, world.bridge.vault.lock(""))
        registration = add_tool(world.lti, world.tool, centre="LTI")
        world.tool.client_id = registration.client_id
        night = LtiNights(world.bridge.database, centre=CENTRE)
        night.open_centre = lambda: world.bridge.open_centre(CENTRE)
        yield Chain(world, registration, night)


@BOTH
def test_a_chosen_resource_becomes_an_offering_and_brings_results(chain: Chain) -> None:
    night = chain.night
    assert "become offerings" in chain.choose(chain.item(1), chain.item(2))
    night.good_night()
    code = chain.code("Course 1")
    assert sorted(night.academy.catalogue.values()) == ["Course 1", "Course 2"]

    night.academy.register("LTI", code, sample_person(1), key="r1")
    report = night.good_night()
    assert report.counts["enrolment.create.acknowledged"] == 1
    (enrolment,) = night.links("centre:LTI", Kind.ENROLMENT)
    assert enrolment.external_id.endswith("/SAMPLE-1")
    assert enrolment.external_id.startswith("lti-")
    assert chain.members(code) == ["SAMPLE-1"]

    claims = chain.launch("SAMPLE-1", code)
    assert claims[lti.TARGET_LINK_URI] == f"{chain.tool.address}/launch?course=1"
    assert claims[lti.CUSTOM]["course"] == "1"
    assert claims[lti.CONTEXT]["id"] == code
    line_item = claims[lti.AGS_ENDPOINT]["lineitem"]
    reported = chain.world.call("GET", line_item).json()
    assert (reported["scoreMaximum"], reported["resourceId"]) == (20, "c-1")

    score = chain.world.score(userId="SAMPLE-1", scoreGiven=0)
    assert chain.world.call("POST", f"{line_item}/scores", body=score).status_code == 204
    until(lambda: chain.results() != [] and not chain.is_busy())
    assert chain.results() == [("SAMPLE-1", 0, 20, True)]
    (sent,) = night.links("academy", Kind.RESULT)
    assert sent.centre == "LTI"

    night.academy.change("r1", "withdrawn")
    report = night.good_night()
    assert ("enrolment", "remove", "acknowledged") in night.items(report)
    assert chain.members(code) == []
    with pytest.raises(LtiRefused):
        start_launch(chain.world.lti, "SAMPLE-1", code, browser=BROWSER)


def test_the_request_names_the_centre_and_no_gradebook(chain: Chain) -> None:
    claims = chain.ask()
    assert claims[lti.CONTEXT]["id"] == "centre:LTI"
    assert claims[lti.CONTEXT]["title"] == CENTRE.name
    assert lti.AGS_ENDPOINT not in claims
    assert lti.NRPS_SERVICE not in claims


@BOTH
def test_custom_fields_of_a_resource_describe_the_offering(chain: Chain) -> None:
    described = {
        "itu_level": "Advanced",
        "itu_modality": "Online self-paced",
        "itu_languages": "en; fr",
        "itu_price": "150.00",
        "itu_currency": "usd",
    }
    no_date = {"available": {}, "title": "Undated"}
    chain.choose(
        chain.item(1, title="Spectre &amp; r&eacute;glementation", text="<p>What it is</p>"),
        chain.item(2, **no_date),
        chain.item(3, title="Any time", available={}, custom={"course": "3", **described}),
        chain.item(4, title=""),
        chain.item(5, title="Bad", custom={"course": "5", "itu_level": "Guru"}),
        chain.item(
            6,
            title="Handed in",
            available={},
            submission={"startDateTime": "2026-06-01T00:00:00+0200", "endDateTime": None},
        ),
    )
    chain.night.night()
    with chain.world.bridge.database.reading() as tx:
        records = offerings_by_code(tx, chain.night.codes().values())
    found = {record.title: record for _, record in records.values()}
    assert {title: record.status for title, record in found.items()} == {
        "Spectre & réglementation": "published",
        "Undated": "planned",
        "Any time": "published",
        "Handed in": "published",
    }
    assert str(found["Spectre & réglementation"].starts_at) == "2026-05-04 08:00:00+00:00"
    assert str(found["Handed in"].starts_at) == "2026-05-31 22:00:00+00:00"
    assert found["Spectre & réglementation"].description == "<p>What it is</p>"
    described_one = found["Any time"]
    assert (described_one.level, described_one.languages) == ("advanced", ("en", "fr"))
    assert described_one.currency == "USD"
    reasons = sorted(chain.night.quarantined().values())
    assert reasons == ["invalid-record", "invalid-record"]


@BOTH
def test_a_resource_chosen_again_is_the_same_offering(chain: Chain) -> None:
    night = chain.night
    chain.choose(chain.item(1))
    night.good_night()
    code = chain.code("Course 1")
    night.academy.register("LTI", code, sample_person(1))
    night.good_night()
    before = chain.launch("SAMPLE-1", code)[lti.RESOURCE_LINK]
    renewed = {"custom": {"course": "1", "itu_level": "advanced"}, "title": "Course 1, renewed"}
    chain.choose(chain.item(1, **renewed, lineItem={"scoreMaximum": 50, "resourceId": "c-1"}))
    night.good_night()
    assert chain.offering(code)[1] == "Course 1, renewed"
    assert len(night.codes()) == 1
    claims = chain.launch("SAMPLE-1", code)
    assert claims[lti.RESOURCE_LINK]["id"] == before["id"]
    assert claims[lti.RESOURCE_LINK]["title"] == "Course 1, renewed"
    reported = chain.world.call("GET", claims[lti.AGS_ENDPOINT]["lineitem"]).json()
    assert reported["scoreMaximum"] == 50


def test_a_resource_chosen_again_from_a_tool_that_moved_is_the_same_offering(
    chain: Chain,
) -> None:
    chain.choose(chain.item(1), chain.item(2))
    chain.night.good_night()
    code = chain.code("Course 1")
    old = chain.registration
    there = chain.tool.address.replace("127.0.0.1", "localhost") + "/learning"
    chain.registration = add_tool(
        chain.world.lti,
        chain.tool,
        centre="LTI",
        client_id="anew",
        initiate_login_uri=f"{there}/login?id=7",
        target_link_uri=f"{there}/launch",
    )
    Cli(chain.world)("lti", "move", str(old.id), "--to", str(chain.registration.id), "--yes")
    chain.night.academy.register("LTI", code, sample_person(1))
    chain.night.good_night()
    opened = chain.launch("SAMPLE-1", code)[lti.TARGET_LINK_URI]
    assert opened == f"{there}/launch?course=1"
    page = chain.choose(chain.item(1, title="Course 1, moved", url=f"{there}/launch?course=1"))
    chain.night.good_night()
    assert chain.offering(code)[1] == "Course 1, moved"
    assert len(chain.night.codes()) == 2
    assert "has the title" not in page


def test_a_resource_with_a_known_title_that_opens_something_else_is_asked_about(
    chain: Chain,
) -> None:
    chain.choose(chain.item(1))
    chain.night.good_night()
    code = chain.code("Course 1")
    other = chain.item(1, custom={"unit": "new"}, url=f"{chain.tool.address}/unit", lineItem={})
    assert f"lms-bridge lti choose {code}" in chain.choose(other)
    chain.night.good_night()
    double = next(each for each in chain.night.codes().values() if each != code)
    Cli(chain.world)("lti", "unchoose", double)
    chain.choose(other, offering=code)
    chain.choose(other)
    chain.night.good_night()
    assert list(chain.night.academy.catalogue.values()) == ["Course 1"]
    chain.night.academy.register("LTI", code, sample_person(1))
    chain.night.good_night()
    assert chain.launch("SAMPLE-1", code)[lti.TARGET_LINK_URI].endswith("/unit")


@BOTH
def test_a_choice_can_be_taken_back(chain: Chain) -> None:
    night = chain.night
    chain.choose(chain.item(1), chain.item(2))
    night.good_night()
    code = chain.code("Course 1")
    cli = Cli(chain.world)
    cli("lti", "unchoose", code)
    cli("lti", "unchoose", code, code=2)
    cli("lti", "unchoose", "OFF-1", code=2)
    night.good_night()
    assert list(night.academy.catalogue.values()) == ["Course 2"]
    chain.choose(chain.item(1))
    night.good_night()
    assert night.academy.catalogue[code] == "Course 1"


def test_the_tool_that_was_chosen_from_is_launched(chain: Chain) -> None:
    second = add_tool(chain.world.lti, chain.tool, centre="LTI", client_id="second")
    first, chain.registration = chain.registration, second
    login = start_deep_linking(
        chain.world.lti, "", person="o", browser=BROWSER, centre="LTI", registration_id=second.id
    )
    assert login.fields["client_id"] == "second"
    with chain.world.bridge.database.writing() as tx:
        item = {**_kept("Of the second"), "address": f"{chain.tool.address}/launch?of=second"}
        chosen_resources.store(tx, second.id, {"lti-second": item}, chain.world.lti.now())
    chain.night.good_night()
    code = chain.code("Of the second")
    chain.night.academy.register("LTI", code, sample_person(1))
    chain.night.good_night()
    login = start_launch(chain.world.lti, "SAMPLE-1", code, browser=BROWSER)
    assert login.fields["client_id"] == "second"
    assert login.fields["target_link_uri"].endswith("?of=second")
    assert first.id < second.id


def _kept(title: str) -> dict[str, Any]:
    names = ("description", "target", "label", "tag", "resource_id", "ends_at")
    return {
        **dict.fromkeys(names, ""),
        "title": title,
        "custom": {},
        "maximum": None,
        "starts_at": "2026-05-04",
    }


def test_an_offering_from_another_source_is_served_too(chain: Chain) -> None:
    with chain.world.bridge.database.writing() as tx:
        add_offerings(tx, [Offering("LTI-own", "LTI", "", "From a file")])
    chain.night.academy.register("LTI", "LTI-own", sample_person(1))
    chain.night.good_night()
    (enrolment,) = chain.night.links("centre:LTI", Kind.ENROLMENT)
    assert enrolment.external_id == "LTI-own/SAMPLE-1"
    assert chain.members("LTI-own") == ["SAMPLE-1"]
    claims = chain.launch("SAMPLE-1", "LTI-own")
    assert claims[lti.TARGET_LINK_URI] == chain.registration.target_link_uri


@pytest.mark.parametrize("status", [Status.PENDING, Status.DISABLED])
def test_without_an_active_tool_nothing_is_acknowledged(chain: Chain, status: Status) -> None:
    night = chain.night
    chain.choose(chain.item(1))
    night.good_night()
    night.academy.register("LTI", chain.code("Course 1"), sample_person(1))
    chain.world.registration = chain.registration
    chain.world.change_registration(status=status)
    report = night.night()
    assert [error.code for _, error in report.errors] == ["no-tool"]
    assert list(night.codes()) != []  # what was chosen stays an offering
    (enrolment,) = night.links("centre:LTI", Kind.ENROLMENT)
    assert enrolment.acknowledged == b""
    chain.world.change_registration(status=Status.ACTIVE)
    report = night.good_night()
    assert report.counts["enrolment.create.acknowledged"] == 1


@BOTH
def test_removals_are_held(chain: Chain) -> None:
    night = chain.night
    chain.choose(chain.item(1))
    night.good_night()
    code = chain.code("Course 1")
    for number in range(6):
        night.academy.register("LTI", code, sample_person(number), key=f"r{number}")
    night.good_night()
    night.policy = Policy()
    for number in range(5):
        night.academy.forget(f"r{number}")
    assert night.night().status == "held"
    assert len(chain.members(code)) == 6
    night.decide(approve=True)
    report = night.night()
    assert ("enrolment", "remove", "acknowledged") in night.items(report)
    assert chain.members(code) == ["SAMPLE-5"]


@BOTH
def test_a_dry_run_reports_and_stores_nothing(chain: Chain) -> None:
    chain.choose(chain.item(1))
    before = chain.night.contents()
    report = chain.night.run(dry=True)
    states = {(change["kind"], change["state"]) for change in report.changes}
    assert states >= {("offering", "applied"), ("offering", "would be sent")}
    assert chain.night.contents() == before


def test_another_centres_tool_sees_nothing_of_it(chain: Chain) -> None:
    chain.choose(chain.item(1))
    chain.night.good_night()
    id_ = chain.offering(chain.code("Course 1"))[0]
    chain.world.tool.client_id = chain.world.registration.client_id  # the tool of centre ONE
    answer = chain.world.call("GET", endpoints.memberships(chain.world.address, id_))
    assert answer.status_code == 404
    with chain.world.bridge.database.reading() as tx:
        assert not storage.resources(tx, offering_id=id_)
