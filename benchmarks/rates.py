"""The rate of enrolling, as rows of the table."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import child
from benchmarks.enrolling import AT_ONCE, BATCH, COURSES, PEOPLE, Sent, bare_rate, moodle
from benchmarks.report import Row

PACE = 0.25
"""A real Moodle's times, shortened so that a round takes a minute."""
ROUNDS = 1
SAMPLE = 1_000
LEAST_OF_BARE, LEAST_OF_SINGLE = 0.9, 8.0


def rates() -> list[Row]:
    """Each rate on a fresh site; the bare calls and the bridge in alternation."""
    bare, ours, single = [], [], []
    for _ in range(ROUNDS):
        with moodle(PACE) as site:
            bare.append(bare_rate(site, site.places(), BATCH, AT_ONCE))
        ours.append(_in_child())
        with moodle(PACE) as site:
            single.append(bare_rate(site, site.places()[:SAMPLE], 1, 1))
    of_bare = median(sent.rate / rate for sent, rate in zip(ours, bare, strict=True))
    of_single = median(sent.rate / rate for sent, rate in zip(ours, single, strict=True))
    what = f"Enrolling {PEOPLE:,} people in {COURSES} courses"
    raw = {"bare": bare, "bridge": [sent.rate for sent in ours], "single": single}
    return [
        Row(
            f"{what}: rate / bare calls of {BATCH}, {AT_ONCE} at once",
            f"{of_bare:.1%} ({median(s.rate for s in ours):,.0f}/s of {median(bare):,.0f}/s)",
            f">= {LEAST_OF_BARE:.0%}",
            of_bare >= LEAST_OF_BARE,
            raw,
        ),
        Row(
            f"{what}: rate / one call per record (a sample of {SAMPLE:,})",
            f"{of_single:.1f} x (of {median(single):,.0f}/s)",
            f">= {LEAST_OF_SINGLE:.0f} x",
            of_single >= LEAST_OF_SINGLE,
        ),
        Row(
            f"{what}: the bridge's own CPU per enrolment, peak memory",
            f"{median(sent.cpu_per_enrolment for sent in ours) * 1e3:.2f} ms, "
            f"{max(sent.peak_mb for sent in ours):.0f} MB",
        ),
    ]


def _in_child() -> Sent:
    with moodle(PACE) as site, TemporaryDirectory() as folder:
        return Sent(**child.run("enrol", site=asdict(site), folder=folder))
