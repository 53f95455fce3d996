"""Enrolling many people in a Moodle: through the bridge, by bare calls, and one by one.

The Moodle is the simulated one, in a process of its own, at a real one's pace times a factor: the
same cost per call and per row, the same gain from several calls at once
(lms_bridge/devtools/moodle/pace.py).
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import requests
from sqlalchemy import Connection

from benchmarks.night import peak_memory
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.domain.desired_state import learner_document
from lms_bridge.domain.document import digest
from lms_bridge.domain.model import (
    Centre,
    Enrolment,
    EnrolmentStatus,
    Flow,
    Kind,
    Learner,
    Offering,
)
from lms_bridge.settings import AcademySettings, SecretsSettings, Settings, StoreSettings
from lms_bridge.store import centres, enrolments, learners, links, migrate, offerings
from lms_bridge.store.database import Database
from lms_bridge.sync.desired_state import desire_enrolments
from lms_bridge.sync.offerings import offering_code

COURSES, PEOPLE = 20, 2_000
BATCH, AT_ONCE = 100, 4
FUNCTION = "enrol_manual_enrol_users"
Place = tuple[int, int]
"""(course, account)"""


@dataclass(frozen=True, slots=True)
class Moodle:
    """A simulated site that runs."""

    control: str
    url: str
    endpoint: str
    token: str

    def tell(self, action: str, **given: Any) -> Any:
        body = orjson.dumps({"action": action, **given})
        answer = requests.post(self.control, data=body, timeout=60)
        return answer.json()["result"]

    def academy_ids(self) -> dict[int, str]:
        """{account: the Academy's id} of the learners there."""
        users = self.tell("users")
        return {u["id"]: u["idnumber"] for u in users if u["idnumber"].startswith("acad-")}

    def places(self) -> list[Place]:
        """Every learner in every course, course by course in turn."""
        people = list(self.academy_ids())
        courses = [each["id"] for each in self.tell("courses") if each["idnumber"]]
        parts = [people[start : start + BATCH] for start in range(0, len(people), BATCH)]
        return [(course, person) for part in parts for course in courses for person in part]


@contextmanager
def moodle(pace: float, courses: int = COURSES, people: int = PEOPLE) -> Iterator[Moodle]:
    """A fresh site with courses and people, in which nobody is enrolled."""
    command = [sys.executable, "-m", "lms_bridge.devtools.moodle", "--with-parent"]
    size = {"courses": courses, "people": people, "enrolments": 0, "pace": pace, "at-once": 8}
    command += [f"--{name}={value}" for name, value in size.items()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the simulated Moodle has no pipes")
        reported = orjson.loads(process.stdout.readline())
        site = reported["sites"][0]
        try:
            yield Moodle(reported["control"], site["url"], site["endpoint"], site["token"])
        finally:
            process.terminate()


def bare_rate(site: Moodle, places: Sequence[Place], batch: int, at_once: int) -> float:
    """Enrolments per second by calls that do nothing else."""
    of_thread = threading.local()

    def send(part: Sequence[Place]) -> None:
        if not hasattr(of_thread, "session"):
            of_thread.session = requests.Session()
        form = {"wstoken": site.token, "wsfunction": FUNCTION, "moodlewsrestformat": "json"}
        for number, (course, person) in enumerate(part):
            row = {"roleid": 5, "userid": person, "courseid": course}
            row |= {"timestart": 0, "timeend": 0, "suspend": 0}
            form |= {f"enrolments[{number}][{k}]": str(v) for k, v in row.items()}
        answer = of_thread.session.post(site.endpoint, data=form, timeout=60)
        if answer.json() is not None:
            raise RuntimeError(f"Moodle refused: {answer.text}")

    parts = [places[start : start + batch] for start in range(0, len(places), batch)]
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(send, parts))
    return len(places) / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a run of the bridge did."""

    rate: float
    cpu_per_enrolment: float
    peak_mb: float


def bridge_rate(site: Moodle, places: Sequence[Place], folder: Path) -> Sent:
    """The same by a run of the bridge: from opening the connector to the finished report."""
    bridge, centre = prepared(site, places, folder)
    sent = _timed(bridge, centre, len(places))
    bridge.close()
    return sent


def prepared(
    site: Moodle, places: Sequence[Place], folder: Path, ids: Mapping[int, str] | None = None
) -> tuple[Bridge, Centre]:
    """A bridge that is to make these enrolments, and the centre. ``ids`` are learners' Academy ids
    if the bridge is to look their accounts up."""
    settings = Settings(
        store=StoreSettings(f"sqlite:///{folder / 'bridge.db'}"),
        secrets=SecretsSettings(key_file=str(folder / "key")),
        academy=AcademySettings("embedded"),
    )
    database = Database(settings.store.address)
    migrate.upgrade(database)
    database.close()
    bridge = build(settings)
    centre = Centre("SAMPLE", "Sample", "europe", "moodle", address=site.url, sample=True)
    with bridge.database.writing() as tx:
        centres.add(tx, centre, bridge.vault.lock(site.token))
        _fill(tx, centre, places, ids)
    return bridge, centre


def _timed(bridge: Bridge, centre: Centre, expected: int) -> Sent:
    cpu, began = time.process_time(), time.perf_counter()
    (report,) = bridge.run_all([bridge.request(centre, (Flow.ENROLMENTS,))])
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    done = report.counts.get("enrolment.create.acknowledged", 0)
    if done != expected:
        raise RuntimeError(f"{done} of {expected} enrolments: {report.status} {report.errors}")
    return Sent(done / seconds, cpu / done, peak_memory())


def _fill(
    tx: Connection,
    centre: Centre,
    places: Sequence[Place],
    academy_ids: Mapping[int, str] | None,
) -> None:
    """The bridge's records: offerings that are linked, enrolments yet to be sent, and their people,
    who are linked unless their accounts are to be looked up."""
    courses = sorted({course for course, _ in places})
    people = sorted({person for _, person in places})
    taught = [
        Offering(offering_code(centre.code, str(each)), centre.code, str(each), f"Course {each}")
        for each in courses
    ]
    known = [
        Learner(
            f"acad-{each}" if academy_ids is None else academy_ids[each],
            "Sample",
            f"Learner {each}",
            f"sample{each}@example.org",
        )
        for each in people
    ]
    offering_ids = offerings.add_offerings(tx, taught)
    learner_ids = learners.add_learners(tx, known)
    common = {"system": centre.system, "centre": centre.code}
    links.insert_links(
        tx,
        [
            {**common, "kind": Kind.OFFERING, "record_id": id_, "external_id": str(each)}
            for id_, each in zip(offering_ids, courses, strict=True)
        ],
    )
    rows = []
    for id_, each, record in zip(learner_ids, people, known, strict=True):
        document = learner_document(record)
        row = {**common, "kind": Kind.LEARNER, "record_id": id_, "external_id": str(each)}
        hashed = digest(document)
        rows.append({**row, "desired": hashed, "acknowledged": hashed, "held_document": document})
    if academy_ids is None:
        links.insert_links(tx, rows)
    by_course = dict(zip(courses, zip(offering_ids, taught, strict=True), strict=True))
    by_person = dict(zip(people, zip(learner_ids, known, strict=True), strict=True))
    ids = enrolments.add_enrolments(
        tx,
        [
            (
                by_person[person][0],
                by_course[course][0],
                Enrolment(
                    by_person[person][1].academy_id,
                    by_course[course][1].code,
                    EnrolmentStatus.ENROLLED,
                ),
            )
            for course, person in places
        ],
    )
    stored = enrolments.enrolments(tx, ids)
    desire_enrolments(
        tx,
        centre.code,
        stored.values(),
        dict(by_course.values()),
    )
