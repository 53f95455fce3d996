"""A browser without a screen, and the launch that it makes through the whole chain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from socket import socket
from urllib.parse import urljoin, urlsplit

import requests

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_line
from lms_bridge.devtools.demo.launches import DemoLaunch, LaunchSites
from lms_bridge.devtools.lti.platform_state import SampleScore
from lms_bridge.devtools.lti.site import serve_application
from lms_bridge.domain.errors import Refused

MOST_HOPS = 20
SECONDS = 30.0
OnRequest = Callable[[str], None]
PERCENTAGE = 70
WAIT_SECONDS = 20.0
Scores = Mapping[tuple[str, str], SampleScore]
_STEPS = {
    ("academy", "/launch"): "the learner presses Launch",
    ("bridge", "/lti/tool/login"): "starts a login and asks who this is",
    ("academy", "/authentication"): "answers with a signed message",
    (
        "bridge",
        "/lti/tool/launch",
    ): "checks the message, the enrolment and the course's dates",
    ("tool", "/login"): "starts a login and asks who this is",
    ("bridge", "/lti/authentication"): "answers with a signed message",
    ("tool", "/launch"): "checks the message",
    ("tool", "/course"): "shows the course",
    ("academy", "/grades"): "shows the grades",
}


@dataclass(frozen=True, slots=True)
class VisitedPage:
    """``heading`` and ``text`` are what is to be read on it."""

    address: str
    status: int
    heading: str
    text: str


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    waits: bool = False


class _PageParser(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self.words: list[str] = []
        self.heading: list[str] = []
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("h1", "script", "style", "title", "header", "footer"):
            self._in.append(tag)
        elif tag == "form" and given.get("method", "").lower() == "post":
            self.forms.append(_Form(given.get("action", "")))
        elif tag in ("input", "button", "select") and self.forms:
            if tag == "input" and given.get("type") == "hidden":
                self.forms[-1].fields[given.get("name", "")] = given.get("value", "")
            elif given.get("name"):
                self.forms[-1].waits = True  # for somebody to choose

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if not self._in:
            self.words.append(data)
        elif self._in[-1] == "h1":
            self.heading.append(data)

    @property
    def by_itself(self) -> _Form | None:
        """The form that the page's script would send."""
        ready = [form for form in self.forms if form.fields and not form.waits]
        return ready[0] if len(ready) == 1 else None


class Visitor:
    """``on_request`` gets every address before it is requested, without its query."""

    def __init__(self, on_request: OnRequest) -> None:
        self._on_request = on_request
        self._session = requests.Session()
        self._session.trust_env = False

    def open(self, address: str) -> VisitedPage:
        return self._go("GET", address, None)

    def send(self, address: str, fields: Mapping[str, str]) -> VisitedPage:
        return self._go("POST", address, fields)

    def close(self) -> None:
        self._session.close()

    def _go(self, method: str, address: str, fields: Mapping[str, str] | None) -> VisitedPage:
        """Raises requests.RequestException: a site does not answer."""
        for _ in range(MOST_HOPS):
            self._on_request(address.partition("?")[0])
            answer = self._session.request(
                method,
                address,
                data=fields,
                headers={"Accept": "text/html"},
                timeout=SECONDS,
                allow_redirects=False,
            )
            for cookie in self._session.cookies:
                cookie.secure = False  # browsers send them over plain HTTP on their own machine
            if answer.is_redirect:
                address = urljoin(address, answer.headers["Location"])
                method, fields = "GET", None
                continue
            read = _PageParser(answer.text)
            form = read.by_itself
            if form is None:
                heading, text = (" ".join("".join(s).split()) for s in (read.heading, read.words))
                return VisitedPage(address, answer.status_code, heading, text)
            method, address, fields = "POST", urljoin(address, form.action), form.fields
        raise requests.TooManyRedirects("the sites send the browser to and fro")


class _LaunchFailed(Exception):
    """The launch failed; the text says where."""


def launch_once(bridge: Bridge, listening: socket, sites: LaunchSites, shown: DemoLaunch) -> bool:
    """Launches, sends a score, and looks for it at the Academy. Returns whether all worked."""
    from lms_bridge.server.app import create_app

    began = time.monotonic()
    print_line("\n4. One launch from the Academy into the centre's course, and a score back")
    print_line(f'{shown.learner.name} is enrolled in "{shown.offering.title}".')
    visitor = Visitor(_StepPrinter(bridge, sites))
    try:
        with serve_application(create_app(bridge), listening):
            course = _launch(visitor, sites, shown)
            before = dict(sites.academy.scores)
            _send_score(visitor, course)
            _wait_for_grade(visitor, sites, before)
    except (_LaunchFailed, Refused, OSError) as error:  # OSError: requests' own errors are such
        print_line(f"The launch failed: {error}")
        return False
    finally:
        visitor.close()
    print_line(f"Done: the score {PERCENTAGE} % is in the Academy's gradebook.")
    print_line(f"That took {time.monotonic() - began:.1f} s.")
    return True


class _StepPrinter:
    """Prints each step as it is made. A step that is repeated at once is printed once."""

    def __init__(self, bridge: Bridge, sites: LaunchSites) -> None:
        self._sites = {
            _port(sites.academy.address): ("academy", sites.academy.name),
            _port(sites.tool.address): ("tool", "the centre's tool"),
            _port(bridge.settings.public_address): ("bridge", "the bridge"),
        }
        self._last = ""

    def __call__(self, address: str) -> None:
        site, name = self._sites.get(_port(address), ("", address))
        path = urlsplit(address).path
        steps = (
            step for (at, start), step in _STEPS.items() if at == site and _is_below(path, start)
        )
        step = next(steps, "")
        if step and step != self._last:
            print_line(f"  {name}: {step}")
            self._last = step


def _is_below(path: str, start: str) -> bool:
    return path == start or path.startswith(f"{start}/")


def _port(address: str) -> int | None:
    return urlsplit(address).port


def _launch(visitor: Visitor, sites: LaunchSites, shown: DemoLaunch) -> VisitedPage:
    """The page of the course, with the right learner in the right course."""
    academy = sites.academy.address
    _good(visitor.send(f"{academy}/sign-in", {"person": shown.learner.id}))
    page = _good(visitor.open(f"{academy}/launch/{shown.link.id}"))
    landed = sites.tool.landings[-1] if sites.tool.landings else None
    if landed is None or not page.address.startswith(sites.tool.address):
        raise _LaunchFailed(f'it ended before the centre\'s tool, at the page "{page.heading}".')
    if (landed.person, landed.course) != (shown.learner.id, shown.offering.code):
        raise _LaunchFailed("it landed as somebody else, or in another course.")
    print_line(f'  landed in "{landed.course_title}" as {landed.name}')
    return page


def _send_score(visitor: Visitor, course: VisitedPage) -> None:
    address = course.address.partition("?")[0]
    page = _good(visitor.send(f"{address}/score", {"percentage": str(PERCENTAGE)}))
    if f"The score {PERCENTAGE} % was sent." not in page.text:
        raise _LaunchFailed("the centre's tool did not send the score.")
    print_line(f"  the centre's tool: sends the score {PERCENTAGE} % to the bridge")
    print_line("  the bridge: stores it as the learner's result and forwards it to the Academy")


def _wait_for_grade(visitor: Visitor, sites: LaunchSites, before: Scores) -> None:
    """A score of an earlier demo does not count."""
    academy, end = sites.academy, time.monotonic() + WAIT_SECONDS
    while academy.scores == before:
        if time.monotonic() > end:
            raise _LaunchFailed("the score did not reach the Academy's gradebook.")
        threading.Event().wait(0.05)
    page = _good(visitor.open(f"{academy.address}/grades"))
    if f"{PERCENTAGE} of 100" not in page.text:
        raise _LaunchFailed("the Academy's gradebook shows another score.")


def _good(page: VisitedPage) -> VisitedPage:
    if page.status >= 400:
        raise _LaunchFailed(f'the answer was {page.status}, "{page.heading}": {page.text[:400]}')
    return page
