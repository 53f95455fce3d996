"""Two sample sites that speak LTI, beside the simulated Moodles: a platform that stands for the
Academy's, and a tool that stands for what one sample centre gives its course with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.demo.samples import Place, SampleCentre
from lms_bridge.domain.model import Learner, Offering
from lms_bridge.lti import parties, vocabulary
from lms_bridge.lti.parties import Party, Side, Status
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.room import public_address
from lms_bridge.lti.tool import tool as bridge_tool
from lms_bridge.simulators.lti import (
    Course,
    Link,
    Person,
    Platform,
    SamplePlatform,
    SampleTool,
    Score,
    Tool,
    serve,
)
from lms_bridge.store import offerings

AT_THE_ACADEMY, AT_THE_BRIDGE = "sample-bridge", "sample-tool"
DEPLOYMENT = "sample"
COORDINATOR = Person("sample-coordinator", "Sample", "Coordinator", "", teaches=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demo launches: whom, and by which link of the sample Academy."""

    learner: Person
    link: Link
    offering: Offering


class LaunchSites:
    """Both sites. ``academy`` keeps its gradebook from one demo to the next."""

    def __init__(self, folder: Path, samples: Sequence[SampleCentre]) -> None:
        self._folder = folder
        self._sample, self._place = _first_open(samples)
        name = self._sample.centre.name
        self.academy = SamplePlatform("Sample Academy")
        self.tool = SampleTool(f"{name}, sample tool")

    @contextmanager
    def served(self) -> Iterator[None]:
        """On the ports of the last time, if they are free: scores go where launches came from."""
        with ExitStack() as stack:
            for site, name in ((self.academy, "academy"), (self.tool, "tool")):
                port = self._folder / f"{name}-port"
                try:
                    used = int(port.read_text(encoding="ascii"))
                    stack.enter_context(serve(site, used))
                except (OSError, ValueError, OverflowError):
                    stack.enter_context(serve(site))
                port.write_text(site.address.rpartition(":")[2], encoding="ascii")
            try:
                yield
            finally:
                self._keep()

    def connect(self, bridge: Bridge) -> Shown:
        """Makes the sites and the bridge known to each other, approved on both sides, and fills the
        Academy with a course for each offering of the sample centre that is open or about to be."""
        address = public_address(bridge.settings)
        self._register(address)
        with bridge.database.writing() as tx:
            for party in (self._academy_party(), self._tool_party()):
                _keep_party(tx, party)
            there = offerings.offerings_of(tx, self._sample.centre.code).values()
        self._fill({each.course_code: each for each in there})
        offering = next(each for each in there if each.course_code == self._place.course)
        link = self.academy.links_of(offering.code)[0]
        self._restore()
        return Shown(self.academy.people[self._place.learner.academy_id], link, offering)

    def _register(self, address: str) -> None:
        self.academy.register(
            Tool(
                AT_THE_ACADEMY,
                DEPLOYMENT,
                login_address=address + bridge_tool.LOGIN_PATH,
                redirect_addresses=(address + bridge_tool.LAUNCH_PATH,),
                target_address=address + bridge_tool.LAUNCH_PATH,
                keys_address=address + bridge_tool.JWKS_PATH,
            )
        )
        self.tool.register(
            Platform(
                address,
                AT_THE_BRIDGE,
                DEPLOYMENT,
                authentication_address=address + endpoints.AUTHENTICATION,
                token_address=address + endpoints.TOKEN,
                keys_address=address + endpoints.KEYS,
            )
        )

    def _academy_party(self) -> Party:
        site = self.academy.address
        return Party(
            Side.PLATFORM,
            name=self.academy.name,
            issuer=site,
            client_id=AT_THE_ACADEMY,
            deployment_ids=(DEPLOYMENT,),
            authorization_endpoint=f"{site}/authentication",
            token_endpoint=f"{site}/token",
            jwks_uri=f"{site}/keys",
            scopes=vocabulary.SCOPES,
            status=Status.ACTIVE,
            private_addresses=True,
        )

    def _tool_party(self) -> Party:
        site = self.tool.address
        return Party(
            Side.TOOL,
            name=self.tool.name,
            centre=self._sample.centre.code,
            client_id=AT_THE_BRIDGE,
            deployment_ids=(DEPLOYMENT,),
            initiate_login_uri=f"{site}/login",
            redirect_uris=(f"{site}/launch",),
            target_link_uri=f"{site}/launch",
            deep_link_uri=f"{site}/launch",
            jwks_uri=f"{site}/keys",
            scopes=vocabulary.SCOPES,
            status=Status.ACTIVE,
            private_addresses=True,
        )

    def _fill(self, by_course: dict[str, Offering]) -> None:
        """Beside the learner who can go in there is one who has no place in that course."""
        sample = self._sample
        inside = {each.learner.academy_id for each in sample.places if each.course == self._course}
        outside = next(each for each in sample.learners if each.academy_id not in inside)
        people = [_person(self._place.learner), _person(outside)]
        self.academy.add_people([*people, COORDINATOR])
        for course in sorted(sample.courses, key=lambda each: each.code != self._course):
            offering = by_course.get(course.code)
            if offering is None or (course.begun and course.days):
                continue  # the bad record, what is not published, and what is over
            everybody = tuple(person.id for person in people)
            self.academy.add_course(Course(offering.code, offering.title, everybody))
            title = f"{offering.title}, at {sample.centre.name}"
            self.academy.add_link(offering.code, title, {"offering": offering.code})

    @property
    def _course(self) -> str:
        return self._place.course

    # ---- the gradebook, from one demo to the next --------------------------------------------

    @property
    def _file(self) -> Path:
        return self._folder / "academy-scores.json"

    def _keep(self) -> None:
        rows = [[*key, asdict(score)] for key, score in self.academy.scores.items()]
        self._file.write_text(json.dumps(rows), encoding="utf-8")

    def _restore(self) -> None:
        if self._file.is_file():
            for item, person, score in json.loads(self._file.read_text(encoding="utf-8")):
                if item in self.academy.line_items:  # content that was chosen is not kept
                    self.academy.scores[item, person] = Score(**score)


def _first_open(samples: Sequence[SampleCentre]) -> tuple[SampleCentre, Place]:
    """A learner of a course that goes on, without an account or a grade at the centre before."""
    for sample in samples:
        going_on = {each.code for each in sample.courses if each.begun and not each.days}
        known = {*sample.with_account, *sample.known_by_address, *sample.guests}
        for place in sample.places:
            if place.course in going_on and place.learner not in known:
                return sample, place
    raise LookupError("no sample centre has a course that goes on")


def _person(learner: Learner) -> Person:
    return Person(learner.academy_id, learner.given_name, learner.family_name, learner.email)


def _keep_party(tx: Connection, party: Party) -> None:
    """Adds the party, or tells where it is now."""
    for known in parties.all_parties(tx, party.side):
        if known.client_id == party.client_id:
            parties.change(tx, replace(party, id=known.id, created_at=known.created_at))
            return
    parties.add(tx, party)
