"""Simulated sites in a process of their own.

Prints one line of JSON, ``{"url", "control", "pid", "sites": [{"name", "path", "url",
"endpoint", "token", "admin_token"}]}``, and serves until SIGTERM or
SIGINT, or (``--with-parent``) until its standard input ends, as it does when its parent dies.
"""

import argparse
import json
import os
import signal
import sys
import threading

from lms_bridge.devtools.moodle.pace import EVERY, measured
from lms_bridge.devtools.moodle.sample import REGION_LANGUAGES, SampleSize, sample_site
from lms_bridge.devtools.moodle.server import CONTROL, RunningServer, serve
from lms_bridge.devtools.moodle.state import ADMIN_TOKEN, SERVICE_TOKEN, MoodleState


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lms_bridge.devtools.moodle")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--site", action="append", metavar="NAME", help="may be repeated")
    parser.add_argument("--region", choices=REGION_LANGUAGES, default="Europe")
    parser.add_argument("--courses", type=int, default=12)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--enrolments", type=int, default=300, help="in all courses together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each call")
    parser.add_argument("--pace", type=float, help="a real Moodle's pace, times this factor")
    parser.add_argument("--at-once", type=int, default=8, help="calls served at once, with --pace")
    parser.add_argument("--with-parent", action="store_true", help="end with standard input")
    return parser.parse_args(arguments)


def build(options: argparse.Namespace) -> list[MoodleState]:
    """The sites, each with sample data from its own seed."""
    sites = []
    for number, name in enumerate(options.site or ["Sample Moodle"]):
        size = SampleSize(
            options.courses, options.people, options.enrolments, options.seed + number,
            options.region,
        )  # fmt: skip
        site = sample_site(name, size)
        site.pace.latency[EVERY] = options.latency
        if options.pace is not None:
            site.pace.service_time = measured(options.pace, options.at_once)
        sites.append(site)
    return sites


def describe(server: RunningServer) -> dict[str, object]:
    """What a client needs to know, tokens of the sample accounts included."""
    sites = [
        {
            "name": site.name,
            "path": path,
            "url": server.url_of(site),
            "endpoint": server.endpoint_of(site),
            "token": SERVICE_TOKEN,
            "admin_token": ADMIN_TOKEN,
        }
        for path, site in server.sites.items()
    ]
    return {"url": server.url, "control": server.url + CONTROL, "pid": os.getpid(), "sites": sites}


def _stop_at_end_of_input(stopped: threading.Event) -> None:
    sys.stdin.read()
    stopped.set()


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped."""
    options = read_arguments(arguments)
    sites = build(options)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with serve(sites[0] if len(sites) == 1 else sites, options.port) as server:
        print(json.dumps(describe(server)), flush=True)
        if options.with_parent:
            threading.Thread(target=_stop_at_end_of_input, args=(stopped,), daemon=True).start()
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
