"""Two sample sites that speak LTI, beside the simulated Moodles.

One stands for the Academy's platform, the other for what one sample centre gives its course with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from lms_bridge.bridge import Bridge
from lms_bridge.devtools.demo.samples import SampleCentre, SampleRegistration
from lms_bridge.devtools.lti.platform_state import (
    PlatformCourse,
    RegisteredTool,
    SampleLink,
    SamplePerson,
    SampleScore,
)
from lms_bridge.devtools.lti.sample_platform import SamplePlatform
from lms_bridge.devtools.lti.sample_tool import SampleTool
from lms_bridge.devtools.lti.site import serve
from lms_bridge.devtools.lti.tool_state import RegisteredPlatform
from lms_bridge.domain.model import Learner, Offering
from lms_bridge.lti import registrations, vocabulary
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.lti.tool import tool as bridge_tool
from lms_bridge.store import offerings

AT_THE_ACADEMY, AT_THE_BRIDGE = "sample-bridge", "sample-tool"
DEPLOYMENT = "sample"
COORDINATOR = SamplePerson("sample-coordinator", "Sample", "Coordinator", "", teaches=True)


@dataclass(frozen=True, slots=True)
class DemoLaunch:
    """What the demo launches: whom, and by which link of the sample Academy."""

    learner: SamplePerson
    link: SampleLink
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

    def connect(self, bridge: Bridge) -> DemoLaunch:
        """Makes the sites and the bridge known to each other, approved on both sides, and fills the
        Academy with a course for each offering of the sample centre that is open or about to be."""
        address = bridge.settings.public_address
        self._register(address)
        with bridge.database.writing() as tx:
            for registration in (self._academy_registration(), self._tool_registration()):
                _keep_registration(tx, registration)
            there = list(offerings.offerings_of(tx, self._sample.centre.code).values())
        # Of several editions of a course, the one of the centre's Moodle: it came first.
        by_course = {each.course_code: each for each in reversed(there)}
        self._fill(by_course)
        offering = by_course[self._place.course]
        link = self.academy.links_of(offering.code)[0]
        self._restore()
        return DemoLaunch(self.academy.people[self._place.learner.academy_id], link, offering)

    def _register(self, address: str) -> None:
        self.academy.register(
            RegisteredTool(
                AT_THE_ACADEMY,
                DEPLOYMENT,
                login_address=address + bridge_tool.LOGIN_PATH,
                redirect_addresses=(address + bridge_tool.LAUNCH_PATH,),
                target_address=address + bridge_tool.LAUNCH_PATH,
                keys_address=address + bridge_tool.JWKS_PATH,
            )
        )
        self.tool.register(
            RegisteredPlatform(
                address,
                AT_THE_BRIDGE,
                DEPLOYMENT,
                authentication_address=address + endpoints.AUTHENTICATION,
                token_address=address + endpoints.TOKEN,
                keys_address=address + endpoints.KEYS,
            )
        )

    def _academy_registration(self) -> LtiRegistration:
        site = self.academy.address
        return LtiRegistration(
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

    def _tool_registration(self) -> LtiRegistration:
        site = self.tool.address
        return LtiRegistration(
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
            self.academy.add_course(PlatformCourse(offering.code, offering.title, everybody))
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
                    self.academy.scores[item, person] = SampleScore(**score)


def _first_open(samples: Sequence[SampleCentre]) -> tuple[SampleCentre, SampleRegistration]:
    """A learner of a course that goes on, without an account or a grade at the centre before."""
    for sample in samples:
        going_on = {each.code for each in sample.courses if each.begun and not each.days}
        known = {*sample.with_account, *sample.known_by_address, *sample.guests}
        for place in sample.places:
            if place.course in going_on and place.learner not in known:
                return sample, place
    raise LookupError("no sample centre has a course that goes on")


def _person(learner: Learner) -> SamplePerson:
    return SamplePerson(learner.academy_id, learner.given_name, learner.family_name, learner.email)


def _keep_registration(tx: Connection, registration: LtiRegistration) -> None:
    """Adds the registration, or updates its address."""
    for known in registrations.all_registrations(tx, registration.side):
        if known.client_id == registration.client_id:
            registrations.change(
                tx, replace(registration, id=known.id, created_at=known.created_at)
            )
            return
    registrations.add(tx, registration)
