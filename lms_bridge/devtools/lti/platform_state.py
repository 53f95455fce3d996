"""What the sample platform holds: people, courses, links into the tool, and a gradebook."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import requests

from lms_bridge.devtools.lti.signatures import RemoteKeys, Signer
from lms_bridge.devtools.lti.site import NotAccepted, OneTimeValues, new_session

AUTHENTICATION = "/authentication"
TOKEN = "/token"  # noqa: S105  # an address
KEYS = "/keys"
QUERY = "type=lti"
"""Line items have a query, as those of many platforms."""


@dataclass(frozen=True, slots=True)
class SamplePerson:
    id: str
    given_name: str
    family_name: str
    email: str
    teaches: bool = False

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True)
class PlatformCourse:
    """``learners`` are ids of people; whoever teaches is in every course."""

    code: str
    title: str
    learners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredTool:
    """The tool as it is registered here."""

    client_id: str
    deployment_id: str
    login_address: str
    redirect_addresses: tuple[str, ...]
    target_address: str
    keys_address: str


@dataclass(frozen=True, slots=True)
class SampleLink:
    """A place in a course from which the tool is launched. An empty address is the tool's own."""

    id: str
    course: str
    title: str
    custom: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True, slots=True)
class SampleLineItem:
    """A column of a course's gradebook; ``link`` is empty where none belongs to it."""

    id: str
    course: str
    label: str
    maximum: float
    resource_id: str = ""
    tag: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class SampleScore:
    """``given`` is None where there is none (any more). ``at`` is the timestamp as it was sent."""

    given: float | None
    maximum: float
    activity: str
    grading: str
    at: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class StartedLaunch:
    """A launch on its way: whose, and of what. ``link`` is empty where content is chosen."""

    person: str
    course: str
    hint: str
    link: str = ""
    framed: bool = False


class PlatformState:
    """``offers_storage``: the tool may keep values in this platform's pages (platform storage)."""

    def __init__(
        self, name: str, *, offers_storage: bool = False, signer: Signer | None = None
    ) -> None:
        self.name = name
        self.address = ""
        self.offers_storage = offers_storage
        self.people: dict[str, SamplePerson] = {}
        self.courses: dict[str, PlatformCourse] = {}
        self.links: dict[str, SampleLink] = {}
        self.line_items: dict[str, SampleLineItem] = {}
        self.scores: dict[tuple[str, str], SampleScore] = {}
        self.lock = threading.RLock()
        self.signer = signer or Signer()
        self.session: requests.Session = new_session()
        self.sign_ins: OneTimeValues[str] = OneTimeValues(86_400)
        self.begun: OneTimeValues[StartedLaunch] = OneTimeValues()
        self.choices: OneTimeValues[str] = OneTimeValues()
        self.grants: OneTimeValues[frozenset[str]] = OneTimeValues(3600)
        self.assertions: OneTimeValues[bool] = OneTimeValues()
        self.registered: RegisteredTool | None = None
        self.tool_keys: RemoteKeys | None = None

    # ---- what it is set up with ----------------------------------------------------------

    def register(self, tool: RegisteredTool) -> None:
        """The one tool that this platform launches into."""
        self.tool_keys = RemoteKeys(self.session, tool.keys_address)
        self.registered = tool

    def add_people(self, people: Iterable[SamplePerson]) -> None:
        self.people.update((person.id, person) for person in people)

    def add_course(self, course: PlatformCourse) -> None:
        self.courses[course.code] = course

    def add_link(
        self,
        course: str,
        title: str,
        custom: Mapping[str, str] | None = None,
        *,
        address: str = "",
        maximum: float | None = 100.0,
        resource_id: str = "",
        tag: str = "",
    ) -> SampleLink:
        """A link, with a column of its own unless ``maximum`` is None."""
        with self.lock:
            link = SampleLink(
                f"link-{len(self.links) + 1}", course, title, dict(custom or {}), address
            )
            self.links[link.id] = link
            if maximum is not None:
                self.add_line_item(
                    SampleLineItem("", course, title, maximum, resource_id, tag, link=link.id)
                )
        return link

    def add_line_item(self, item: SampleLineItem) -> SampleLineItem:
        """The item with its new id."""
        with self.lock:
            item = replace(item, id=str(len(self.line_items) + 1))
            self.line_items[item.id] = item
        return item

    # ---- its services --------------------------------------------------------------------

    @property
    def tool(self) -> RegisteredTool:
        if self.registered is None:
            raise NotAccepted("No tool is registered at this platform yet.", 409)
        return self.registered

    @property
    def keys_of_tool(self) -> RemoteKeys:
        if self.tool_keys is None:
            raise NotAccepted("No tool is registered at this platform yet.", 409)
        return self.tool_keys

    def courses_of(self, person: SamplePerson) -> list[PlatformCourse]:
        return [
            course
            for course in self.courses.values()
            if person.teaches or person.id in course.learners
        ]

    def links_of(self, course: str) -> list[SampleLink]:
        return [link for link in self.links.values() if link.course == course]

    def line_items_of(self, course: str) -> list[SampleLineItem]:
        return [item for item in self.line_items.values() if item.course == course]

    def members_of(self, course: PlatformCourse) -> list[SamplePerson]:
        teachers = [person for person in self.people.values() if person.teaches]
        return teachers + [self.people[id_] for id_ in course.learners if id_ in self.people]

    def link_for(self, person: SamplePerson, link_id: str) -> SampleLink:
        """Raises NotAccepted unless the link is in a course of that person's."""
        link = self.links.get(link_id)
        if link is None or self.courses[link.course] not in self.courses_of(person):
            raise NotAccepted("There is no such link in your courses.", 404)
        return link

    def members_address(self, course: str) -> str:
        return f"{self.address}/services/{course}/members"

    def line_items_address(self, course: str) -> str:
        return f"{self.address}/services/{course}/items?{QUERY}"

    def line_item_address(self, item: SampleLineItem) -> str:
        return f"{self.address}/services/{item.course}/items/{item.id}?{QUERY}"
