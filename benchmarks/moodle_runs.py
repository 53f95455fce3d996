"""Whole runs at a Moodle: a first run with look-ups and rosters, and a full run without changes.

The Moodle is the simulated one at a real one's pace, as in ``benchmarks/enrolling.py``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import requests

from benchmarks.enrolling import AT_ONCE, FUNCTION, Moodle, moodle, prepared
from benchmarks.report import Row
from lms_bridge.bridge import Bridge
from lms_bridge.domain.model import Centre, Flow

PACE = 1.0
"""A real Moodle's times."""
FIRST_COURSES, FIRST_PEOPLE = 20, 300
QUIET_COURSES, QUIET_PEOPLE = 80, 150
ROUNDS = 3
LEAST_OF_BARE, LEAST_FASTER = 0.9, 2.0
WITHOUT_PACE = 0.001
Pairs = list[tuple[str, str]]


def moodle_runs(folder: Path) -> list[Row]:
    folder.mkdir()
    return [_first_run(folder), _quiet_run(folder / "quiet")]


def _first_run(folder: Path) -> Row:
    """The whole run against the same calls, made by a script that does nothing else."""
    ratios, seconds, bare = [], [], []
    for number in range(ROUNDS):
        with moodle(PACE, FIRST_COURSES, FIRST_PEOPLE) as site:
            took, calls = _bridge_run(site, folder / f"first-{number}")
        with moodle(PACE, FIRST_COURSES, FIRST_PEOPLE) as site:
            bare.append(_bare_run(site, calls))
        seconds.append(took)
        ratios.append(bare[-1] / took)
    middle = median(ratios)
    return Row(
        f"First run of {FIRST_COURSES * FIRST_PEOPLE:,} enrolments, look-ups and rosters included: "
        f"rate / the same calls, {AT_ONCE} at once",
        f"{middle:.1%} ({median(seconds):.1f} s, bare {median(bare):.1f} s)",
        f">= {LEAST_OF_BARE:.0%}",
        middle >= LEAST_OF_BARE,
        {"ratios": ratios, "seconds": seconds, "bare": bare},
    )


def _bridge_run(site: Moodle, folder: Path) -> tuple[float, list[Pairs]]:
    """The seconds of the run, and the forms of all its calls."""
    folder.mkdir()
    places = site.places()
    bridge, centre = prepared(site, places, folder, site.academy_ids())
    site.tell("keep_log")
    began = time.perf_counter()
    (report,) = bridge.run_all([bridge.request(centre, (Flow.ENROLMENTS,))])
    seconds = time.perf_counter() - began
    bridge.close()
    done = report.counts.get("enrolment.create.acknowledged", 0)
    if done != len(places):
        raise RuntimeError(f"{done} of {len(places)} enrolments: {report.status} {report.errors}")
    return seconds, [[(name, value) for name, value in form] for _, form in site.tell("log")]


def _bare_run(site: Moodle, forms: Sequence[Pairs]) -> float:
    of_thread = threading.local()

    def send(form: Pairs) -> None:
        if not hasattr(of_thread, "session"):
            of_thread.session = requests.Session()
        of_thread.session.post(
            site.endpoint, data=[("wstoken", site.token), *form], timeout=60
        ).raise_for_status()

    writes = [form for form in forms if ("wsfunction", FUNCTION) in form]
    reads = [form for form in forms if form not in writes]
    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(send, reads))
        list(pool.map(send, writes))
    return time.perf_counter() - began


def _quiet_run(folder: Path) -> Row:
    """A full run of the clock that reads all grades, against one that leaves out courses in which
    nobody was."""
    folder.mkdir()
    with moodle(WITHOUT_PACE, QUIET_COURSES, QUIET_PEOPLE) as site:
        bridge, centre = prepared(site, site.places(), folder, site.academy_ids())
        for _ in range(2):  # the second notes the visits
            _night(bridge, centre)
        site.tell("service_time", scale=PACE)
        night = partial(_night, bridge, centre)
        everything = [night(unvisited_days=0) for _ in range(ROUNDS)]
        quiet = [night() for _ in range(ROUNDS)]
        bridge.close()
    faster = median(everything) / median(quiet)
    return Row(
        f"Full run without changes, {QUIET_COURSES} courses of {QUIET_PEOPLE}: faster without "
        "the grades of unvisited courses",
        f"{faster:.1f} x ({median(everything):.1f} s, {median(quiet):.1f} s)",
        f">= {LEAST_FASTER:.0f} x",
        faster >= LEAST_FASTER,
        {"all": everything, "unvisited": quiet},
    )


def _night(bridge: Bridge, centre: Centre, unvisited_days: int = 7) -> float:
    request = bridge.request(centre, (Flow.ENROLMENTS, Flow.RESULTS), trigger="schedule")
    request = replace(request, policy=replace(request.policy, unvisited_days=unvisited_days))
    began = time.perf_counter()
    (report,) = bridge.run_all([request])
    if report.status != "done":
        raise RuntimeError(f"{report.status}: {report.errors}")
    return time.perf_counter() - began
