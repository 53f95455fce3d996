"""What the sample platform holds: people, courses, links into the tool, and a gradebook."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import requests

from lms_bridge.simulators.lti.calling import new_session
from lms_bridge.simulators.lti.once import Once
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.signing import RemoteKeys, Signer


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    given_name: str
    family_name: str
    email: str
    teaches: bool = False

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True)
class Course:
    """``learners`` are ids of people; whoever teaches is in every course."""

    code: str
    title: str
    learners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """The tool as it is registered here."""

    client_id: str
    deployment_id: str
    login_address: str
    redirect_addresses: tuple[str, ...]
    target_address: str
    keys_address: str


@dataclass(frozen=True, slots=True)
class Link:
    """A place in a course from which the tool is launched. An empty address is the tool's own."""

    id: str
    course: str
    title: str
    custom: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True, slots=True)
class LineItem:
    """A column of a course's gradebook; ``link`` is empty where none belongs to it."""

    id: str
    course: str
    label: str
    maximum: float
    resource_id: str = ""
    tag: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """``given`` is None where there is none (any more). ``at`` is the timestamp as it was sent."""

    given: float | None
    maximum: float
    activity: str
    grading: str
    at: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
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
        self.people: dict[str, Person] = {}
        self.courses: dict[str, Course] = {}
        self.links: dict[str, Link] = {}
        self.line_items: dict[str, LineItem] = {}
        self.scores: dict[tuple[str, str], Score] = {}
        self.lock = threading.RLock()
        self.signer = signer or Signer()
        self.session: requests.Session = new_session()
        self.sign_ins: Once[str] = Once(86_400)
        self.begun: Once[Begun] = Once()
        self.choices: Once[str] = Once()
        self.grants: Once[frozenset[str]] = Once(3600)
        self.assertions: Once[bool] = Once()
        self.registered: Tool | None = None
        self.tool_keys: RemoteKeys | None = None

    # ---- what it is set up with ----------------------------------------------------------

    def register(self, tool: Tool) -> None:
        """The one tool that this platform launches into."""
        self.tool_keys = RemoteKeys(self.session, tool.keys_address)
        self.registered = tool

    def add_people(self, people: Iterable[Person]) -> None:
        self.people.update((person.id, person) for person in people)

    def add_course(self, course: Course) -> None:
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
    ) -> Link:
        """A link, with a column of its own unless ``maximum`` is None."""
        with self.lock:
            link = Link(f"link-{len(self.links) + 1}", course, title, dict(custom or {}), address)
            self.links[link.id] = link
            if maximum is not None:
                self.add_line_item(
                    LineItem("", course, title, maximum, resource_id, tag, link=link.id)
                )
        return link

    def add_line_item(self, item: LineItem) -> LineItem:
        """The item with its new id."""
        with self.lock:
            item = replace(item, id=str(len(self.line_items) + 1))
            self.line_items[item.id] = item
        return item

    # ---- what is asked of it -------------------------------------------------------------

    @property
    def tool(self) -> Tool:
        if self.registered is None:
            raise NotAccepted("No tool is registered at this platform yet.", 409)
        return self.registered

    @property
    def keys_of_tool(self) -> RemoteKeys:
        if self.tool_keys is None:
            raise NotAccepted("No tool is registered at this platform yet.", 409)
        return self.tool_keys

    def courses_of(self, person: Person) -> list[Course]:
        return [
            course
            for course in self.courses.values()
            if person.teaches or person.id in course.learners
        ]

    def links_of(self, course: str) -> list[Link]:
        return [link for link in self.links.values() if link.course == course]

    def line_items_of(self, course: str) -> list[LineItem]:
        return [item for item in self.line_items.values() if item.course == course]

    def members_of(self, course: Course) -> list[Person]:
        teachers = [person for person in self.people.values() if person.teaches]
        return teachers + [self.people[id_] for id_ in course.learners if id_ in self.people]
