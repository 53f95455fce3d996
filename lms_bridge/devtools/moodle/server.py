"""Simulated sites on a real port: ``with serve(site) as server: …``, and ``/__control__``.

Another process reads and changes the sites there. ``GET`` answers ``{path: counts}``. ``POST``
takes ``{"action": name, "site": path, …}`` (``site`` may be left out when only one is served) and
answers ``{"result": …}``, or 400 with ``{"error": …}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

import orjson

from lms_bridge.devtools.faults import EVERY, SimulatedFault
from lms_bridge.devtools.moodle.endpoint import answer
from lms_bridge.devtools.moodle.messages import html_page, login_page, read_pairs
from lms_bridge.devtools.moodle.pace import measured
from lms_bridge.devtools.moodle.sample import SampleSize, fill
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.devtools.wire import HTML_TYPE, WireReply, WireRequest, WireServer

Arguments = dict[str, Any]
SWITCHES = ("web_services", "rest_protocol", "maintenance", "max_input_vars")
ENDPOINT = "/webservice/rest/server.php"
LOGIN = "/login/index.php"
CONTROL = "/__control__"
Sites = MoodleState | Sequence[MoodleState] | Mapping[str, MoodleState]


def counts(site: MoodleState, args: Arguments) -> Any:
    """How much the site holds and how often each function was called."""
    return {
        "courses": len(site.catalogue),
        "users": len(site.people),
        "enrolments": len(site.enrolments),
        "calls": dict(site.calls),
        "faults": dict(site.faults.happened),
    }


def _enrolments(site: MoodleState, args: Arguments) -> Any:
    course_id = args.get("course_id")
    return [asdict(e) for e in site.enrolments if course_id in (None, e.course_id)]


def _switch(site: MoodleState, args: Arguments) -> Any:
    for name, value in args.items():
        if name not in SWITCHES:
            raise ValueError(f"no such switch: {name}")
        setattr(site, name, value)


def _fault(site: MoodleState, args: Arguments) -> Any:
    fault = SimulatedFault.from_json(args["fault"])
    function = args.get("function", EVERY)
    if "probability" in args:
        site.faults.sometimes(function, fault, args["probability"], args.get("seed", 0))
    else:
        site.faults.next(function, fault, args.get("times", 1))


def _latency(site: MoodleState, args: Arguments) -> Any:
    site.pace.latency[args.get("function", EVERY)] = float(args["seconds"])


def _service_time(site: MoodleState, args: Arguments) -> Any:
    site.pace.service_time = measured(**args) if args else None


def _keep_log(site: MoodleState, args: Arguments) -> Any:
    site.log = [] if args.get("on", True) else None


def _restrict(site: MoodleState, args: Arguments) -> Any:
    token = next(t for t in site.access.tokens.values() if t.user_id == site.service_user_id)
    site.access.restrict(token.value, args["functions"])


def _complete(site: MoodleState, args: Arguments) -> Any:
    if not site.completions.criteria(args["course_id"]):
        site.completions.add_criterion(args["course_id"])
    site.completions.complete(args["course_id"], args["user_id"], args.get("at", site.now()))


def _grade(site: MoodleState, args: Arguments) -> Any:
    """Grade somebody on the course's first item, made when there is none."""
    items = site.gradebook.items(args["course_id"])
    item = items[0] if items else site.gradebook.add_item(args["course_id"], "Sample test")
    site.gradebook.grade(item, args["user_id"], args["raw"], args.get("at", site.now()))


ACTIONS: dict[str, Callable[[MoodleState, Arguments], Any]] = {
    "counts": counts,
    "enrolments": _enrolments,
    "users": lambda site, args: [asdict(user) for user in site.people],
    "courses": lambda site, args: [asdict(course) for course in site.catalogue],
    "reset_calls": lambda site, args: site.calls.clear(),
    "keep_log": _keep_log,
    "log": lambda site, args: site.log,
    "fault": _fault,
    "clear_faults": lambda site, args: site.faults.clear(),
    "revoke": lambda site, args: site.revoke(*args["capabilities"]),
    "grant": lambda site, args: site.grant(*args["capabilities"]),
    "restrict": _restrict,
    "switch": _switch,
    "latency": _latency,
    "service_time": _service_time,
    "fill": lambda site, args: fill(site, SampleSize(**args)),
    "add_user": lambda site, args: site.people.add(**args).id,
    "change_user": lambda site, args: asdict(site.people.change(**args)),
    "remove_user": lambda site, args: site.people.remove(**args),
    "add_course": lambda site, args: site.catalogue.add_course(**args).id,
    "change_course": lambda site, args: asdict(site.catalogue.change(**args)),
    "remove_course": lambda site, args: site.catalogue.remove(**args),
    "enrol": lambda site, args: asdict(site.enrolments.enrol(**args)),
    "unenrol": lambda site, args: site.unenrol(**args),
    "grade": _grade,
    "complete": _complete,
}


def control_reply(sites: Mapping[str, MoodleState], request: WireRequest) -> WireReply:
    if request.method == "GET":
        return WireReply(
            200, orjson.dumps({path: counts(site, {}) for path, site in sites.items()})
        )
    try:
        args = orjson.loads(request.body)
        action = ACTIONS[args.pop("action")]
        site = sites[args.pop("site", next(iter(sites)) if len(sites) == 1 else None)]
        with site.lock:
            result = action(site, args)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        return WireReply(400, orjson.dumps({"error": reason}))
    return WireReply(200, orjson.dumps({"result": result}))


def paths_of(sites: Sites) -> dict[str, MoodleState]:
    """Path prefix -> site: none for a single site, otherwise as given or made of the names.

    Raises ValueError when two sites would share a path.
    """
    if isinstance(sites, MoodleState):
        return {"": sites}
    if isinstance(sites, Mapping):
        return {"/" + path.strip("/") if path else "": site for path, site in sites.items()}
    slugs = ["/" + re.sub(r"[^a-z0-9]+", "-", site.name.lower()).strip("-") for site in sites]
    if len(set(slugs)) != len(slugs):
        raise ValueError("sites served together need different names")
    return dict(zip(slugs, sites, strict=True))


class RunningServer(WireServer):
    """Sites being served until :meth:`stop` or the end of the ``with`` block."""

    def __init__(self, sites: dict[str, MoodleState], port: int = 0) -> None:
        self.sites = sites
        super().__init__(self._respond, port)
        for path, site in sites.items():
            site.wwwroot = self.url + path

    def url_of(self, site: MoodleState | None = None) -> str:
        """A site's address, as a centre's settings name it; the first site's by default."""
        for path, served in self.sites.items():
            if site is None or served is site:
                return self.url + path
        raise LookupError("that site isn't served here")

    def endpoint_of(self, site: MoodleState | None = None) -> str:
        return self.url_of(site) + ENDPOINT

    def _respond(self, request: WireRequest) -> WireReply:
        path = unquote(request.path)
        if path == CONTROL:
            return control_reply(self.sites, request)
        for suffix in (ENDPOINT, LOGIN):
            site = self.sites.get(path.removesuffix(suffix))
            if site is not None and path.endswith(suffix):
                if suffix == LOGIN:
                    return WireReply(200, login_page(site.name), HTML_TYPE)
                return answer(site, _pairs(request))
        return WireReply(404, html_page("Not found", path), HTML_TYPE)


def _pairs(request: WireRequest) -> list[tuple[str, str]]:
    """The query's variables and then the body's, which win, as in PHP."""
    return read_pairs(request.query) + read_pairs(request.body.decode("utf-8", "replace"))


def serve(sites: Sites, port: int = 0) -> RunningServer:
    """Serve one site at the root, or several under their paths (see ``paths_of``).

    Sets each site's ``wwwroot`` to its new address. ``port`` 0 takes a free one.
    """
    return RunningServer(paths_of(sites), port).start()
