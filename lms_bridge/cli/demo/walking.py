"""One launch through the whole chain, over real HTTP, and what came of it in plain words."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.demo.launches import LaunchSites, Shown
from lms_bridge.cli.demo.visitor import Page, Visitor
from lms_bridge.cli.output import say
from lms_bridge.domain.errors import Refused
from lms_bridge.lti.room import public_address
from lms_bridge.simulators.lti import Score, serving

PERCENTAGE = 70
WAIT_SECONDS = 20.0
Scores = Mapping[tuple[str, str], Score]
_STEPS = {
    ("academy", "/launch"): "the learner presses Launch",
    ("bridge", "/lti/tool/login"): "begins a login: who is this?",
    ("academy", "/authentication"): "says who it is, in a signed message",
    (
        "bridge",
        "/lti/tool/launch",
    ): "checks the message, the learner's place and the course's dates",
    ("tool", "/login"): "begins a login: who is this?",
    ("bridge", "/lti/authentication"): "says who it is, in a signed message",
    ("tool", "/launch"): "checks the message",
    ("tool", "/course"): "shows the course",
    ("academy", "/grades"): "shows the grades",
}


class _Ended(Exception):
    """The launch did not come to its end; the text says where."""


def walk(bridge: Bridge, sites: LaunchSites, shown: Shown) -> bool:
    """Launches, sends a score, and looks for it at the Academy; tells whether all went well."""
    from lms_bridge.web import create_app

    began = time.monotonic()
    say("\n4. One click at the Academy: into the centre's course, and back with a score")
    say(f'{shown.learner.name} is enrolled in "{shown.offering.title}".')
    told = _Telling(bridge, sites)
    visitor = Visitor(told)
    try:
        with serving(create_app(bridge), bridge.settings.web.port):
            course = _launch(visitor, sites, shown)
            before = dict(sites.academy.scores)
            _send_score(visitor, course)
            _wait_for_grade(visitor, sites, before)
    except (_Ended, Refused, OSError) as error:  # OSError: requests' own errors are such
        say(f"The launch failed: {error}")
        return False
    finally:
        visitor.close()
    say(f"Done: the score {PERCENTAGE} % is in the Academy's gradebook.")
    say(f"That took {time.monotonic() - began:.1f} s.")
    return True


class _Telling:
    """Says each hop as it is made; one that is made again is said once."""

    def __init__(self, bridge: Bridge, sites: LaunchSites) -> None:
        self._sites = {
            _port(sites.academy.address): ("academy", sites.academy.name),
            _port(sites.tool.address): ("tool", "the centre's tool"),
            _port(public_address(bridge.settings)): ("bridge", "the bridge"),
        }
        self._last = ""

    def __call__(self, address: str) -> None:
        site, name = self._sites.get(_port(address), ("", address))
        path = urlsplit(address).path
        steps = (
            step for (at, start), step in _STEPS.items() if at == site and path_is(path, start)
        )
        step = next(steps, "")
        if step and step != self._last:
            say(f"  {name}: {step}")
            self._last = step


def path_is(path: str, start: str) -> bool:
    return path == start or path.startswith(f"{start}/")


def _port(address: str) -> int | None:
    return urlsplit(address).port


def _launch(visitor: Visitor, sites: LaunchSites, shown: Shown) -> Page:
    """The page of the course, with the right learner in the right course."""
    academy = sites.academy.address
    _good(visitor.send(f"{academy}/sign-in", {"person": shown.learner.id}))
    page = _good(visitor.open(f"{academy}/launch/{shown.link.id}"))
    landed = sites.tool.landings[-1] if sites.tool.landings else None
    if landed is None or not page.address.startswith(sites.tool.address):
        raise _Ended(f'it ended before the centre\'s tool, at the page "{page.heading}".')
    if (landed.person, landed.course) != (shown.learner.id, shown.offering.code):
        raise _Ended("it landed as somebody else, or in another course.")
    say(f'  landed in "{landed.course_title}" as {landed.name}')
    return page


def _send_score(visitor: Visitor, course: Page) -> None:
    address = course.address.partition("?")[0]
    page = _good(visitor.send(f"{address}/score", {"percentage": str(PERCENTAGE)}))
    if f"The score {PERCENTAGE} % was sent." not in page.text:
        raise _Ended("the centre's tool did not send the score.")
    say(f"  the centre's tool: sends the score {PERCENTAGE} % to the bridge")
    say("  the bridge: takes it in as the learner's result, and sends it on to the Academy")


def _wait_for_grade(visitor: Visitor, sites: LaunchSites, before: Scores) -> None:
    """A score of an earlier demo does not count."""
    academy, end = sites.academy, time.monotonic() + WAIT_SECONDS
    while academy.scores == before:
        if time.monotonic() > end:
            raise _Ended("the score did not reach the Academy's gradebook.")
        threading.Event().wait(0.05)
    page = _good(visitor.open(f"{academy.address}/grades"))
    if f"{PERCENTAGE} of 100" not in page.text:
        raise _Ended("the Academy's gradebook shows another score.")


def _good(page: Page) -> Page:
    if page.status >= 400:
        raise _Ended(f'the answer was {page.status}, "{page.heading}": {page.text[:400]}')
    return page
