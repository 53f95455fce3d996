"""The simulated Moodles of the sample centres, kept from one demo to the next."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lms_bridge.devtools.demo.samples import SampleCentre, SampleCourse
from lms_bridge.devtools.moodle.records import CustomField
from lms_bridge.devtools.moodle.saved import restore, save
from lms_bridge.devtools.moodle.server import RunningServer, serve
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Learner

DAY = 86_400
KEEP_SECONDS = 2.0
_CHOICES = {
    "modality": ("Online instructor-led", "Face-to-face", "Blended", "Online self-paced"),
    "level": ("Introductory", "Intermediate", "Advanced"),
    "registration": ("Direct", "Application"),
}
_TEXTS = ("hours", "price", "currency", "seats", "languages", "topics")
_FIELDS = (
    CustomField("itu_publish", "Publish in the ITU Academy catalogue", "checkbox"),
    *(CustomField(f"itu_{n}", n.title(), "select", words) for n, words in _CHOICES.items()),
    *(CustomField(f"itu_{n}", n.title(), "text") for n in _TEXTS),
    CustomField("itu_regclose", "Registration closes", "date"),
)


class MoodleSites:
    """{centre's code: site}, kept as one file for each in a folder."""

    def __init__(self, folder: Path, samples: list[SampleCentre]) -> None:
        self._folder = folder
        self._kept = 0
        self.by_code = {
            each.centre.code: self._restored(each.centre.code)
            if self._file(each.centre.code).is_file()
            else build(each, time.time())
            for each in samples
        }

    def _file(self, code: str) -> Path:
        return self._folder / f"{code}.json"

    def _restored(self, code: str) -> MoodleState:
        try:
            return restore(self._file(code).read_bytes())
        except (ValueError, KeyError, TypeError):
            raise Refused(
                "demo-spoiled",
                f"{self._file(code)} is not a saved sample site.",
                "Start over: lms-bridge demo --fresh",
            ) from None

    def keep(self) -> None:
        """Writes every site, if any was called since the last time."""
        calls = self.calls()
        if calls == self._kept:
            return
        self._kept = calls
        self._folder.mkdir(parents=True, exist_ok=True)
        for code, site in self.by_code.items():
            part = self._file(code).with_suffix(".part")
            part.write_bytes(save(site))
            part.replace(self._file(code))

    @contextmanager
    def served(self) -> Iterator[Mapping[str, str]]:
        """{centre's code: address}. The port is that of the last time, if it is free: a site whose
        address changed would show every course with another address."""
        with self._server() as server, self._keeping():
            (self._folder / "port").write_text(str(server.port), encoding="ascii")
            yield {code: server.url_of(site) for code, site in self.by_code.items()}

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        """Keeps the sites every few moments and at the end, for a demo may be cut off."""
        ended = threading.Event()

        def keep() -> None:
            while not ended.wait(KEEP_SECONDS):
                self.keep()

        thread = threading.Thread(target=keep, name="keeps sites", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.keep()

    def _server(self) -> RunningServer:
        sites = {code.lower(): site for code, site in self.by_code.items()}
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            return serve(sites, int((self._folder / "port").read_text(encoding="ascii")))
        except (OSError, ValueError, OverflowError):
            return serve(sites)

    def calls(self) -> int:
        """Calls of web services that the sites answered since they came up."""
        return sum(sum(site.calls.values()) for site in self.by_code.values())


def build(sample: SampleCentre, now: float) -> MoodleState:
    """A site as it is before the bridge comes: courses, and people whom the centre knows."""
    site = MoodleState(f"{sample.centre.name}, simulated Moodle")
    today = int(now) // DAY * DAY
    with site.lock:
        for field in _FIELDS:
            site.catalogue.define_field(field)
        category = site.catalogue.add_category(f"[{sample.word}]").id
        courses = {
            each.code: _course(site, sample, each, category, today) for each in sample.courses
        }
        accounts = {
            each.academy_id: _account(site, each, stable_id=True) for each in sample.with_account
        }
        for each in sample.known_by_address:
            _account(site, each, stable_id=False)
        _teach(site, sample, courses, accounts, today)
    return site


def _course(
    site: MoodleState, sample: SampleCentre, course: SampleCourse, category: int, today: int
) -> int:
    start = today + course.starts * DAY + 9 * 3600
    words = course.words
    values: dict[str, str | int] = {
        f"itu_{name}": choices.index(words[name]) + 1 if words[name] else 0
        for name, choices in _CHOICES.items()
    }
    values |= {f"itu_{name}": words["topic" if name == "topics" else name] for name in _TEXTS}
    values["itu_publish"] = int(course.publish)
    if course.days:
        values["itu_regclose"] = start - 2 * DAY
    return site.catalogue.add_course(
        course.code,
        f"[{sample.word}] {words['title']}",
        category,
        idnumber=course.code,
        summary=f"<p>{words['text']}</p>",
        startdate=start,
        enddate=start + course.days * DAY if course.days else 0,
        customfields=values,
    ).id


def _account(site: MoodleState, learner: Learner, *, stable_id: bool) -> int:
    return site.people.add(
        re.sub(r"[^a-z0-9]", "", learner.academy_id),
        learner.given_name,
        learner.family_name,
        learner.email,
        idnumber=learner.academy_id if stable_id else "",
        country=learner.country,
    ).id


def _teach(
    site: MoodleState,
    sample: SampleCentre,
    courses: Mapping[str, int],
    accounts: Mapping[str, int],
    today: int,
) -> None:
    """In courses that have begun, those whom the centre knows are on the roster, and graded."""
    chance = random.Random(f"{sample.seed} results")  # noqa: S311  # repeatable on purpose
    for course in sample.courses:
        if not course.begun:
            continue
        course_id = courses[course.code]
        item = site.gradebook.add_item(course_id, f"[{sample.word}] 1", 100.0)
        site.completions.add_criterion(course_id)
        for place in sample.places:
            account = accounts.get(place.learner.academy_id)
            if place.course != course.code or account is None:
                continue
            site.enrolments.enrol(course_id, account)
            graded_at = today - chance.randrange(1, 20) * DAY
            raw = float(chance.randrange(30, 101))
            site.gradebook.grade(item, account, raw, graded_at)
            if raw >= 60:
                site.completions.complete(course_id, account, graded_at)
