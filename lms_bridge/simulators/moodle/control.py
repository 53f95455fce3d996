"""``/__control__``: reading and changing sites from another process.

``GET`` answers ``{path: counts}``. ``POST`` takes ``{"action": name, "site": path, …}``
(``site`` may be left out when only one is served) and answers ``{"result": …}``, or 400 with
``{"error": …}``.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import orjson

from .faults import EVERY, Fault
from .pace import measured
from .sample import SampleSize, fill
from .site.state import MoodleState
from .wire.http import Request
from .wire.reply import Reply

Arguments = dict[str, Any]
SWITCHES = ("web_services", "rest_protocol", "maintenance", "max_input_vars")


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
    """Every enrolment, or those of ``course_id``."""
    course_id = args.get("course_id")
    return [asdict(e) for e in site.enrolments if course_id in (None, e.course_id)]


def _switch(site: MoodleState, args: Arguments) -> Any:
    for name, value in args.items():
        if name not in SWITCHES:
            raise ValueError(f"no such switch: {name}")
        setattr(site, name, value)


def _fault(site: MoodleState, args: Arguments) -> Any:
    fault = Fault.from_json(args["fault"])
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


def respond(sites: Mapping[str, MoodleState], request: Request) -> Reply:
    """The reply to a request for the control endpoint."""
    if request.method == "GET":
        return Reply(200, orjson.dumps({path: counts(site, {}) for path, site in sites.items()}))
    try:
        args = orjson.loads(request.body)
        action = ACTIONS[args.pop("action")]
        site = sites[args.pop("site", next(iter(sites)) if len(sites) == 1 else None)]
        with site.lock:
            result = action(site, args)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        return Reply(400, orjson.dumps({"error": reason}))
    return Reply(200, orjson.dumps({"result": result}))
