"""Files that a person imports: what another system brought is not changed by them."""

from __future__ import annotations

from typing import Any

from lms_bridge.domain.model import Flow, Kind
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.imports import CentreRows, apply_file
from lms_bridge.sync.run import RunReport, RunRequest
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE
from tests.fakes.nights import Nights


def import_(night: Nights, kind: Kind, *rows: tuple[str, dict[str, Any]]) -> RunReport:
    share = CentreRows([RawRecord(external_id, fields) for external_id, fields in rows])
    request = RunRequest(night.centre, night.policy, (Flow.ENROLMENTS,), "import")
    return night.runner().run(request, lambda work: apply_file(work, kind, share, whole=False))


def registration(code: str, number: int, **fields: Any) -> tuple[str, dict[str, Any]]:
    person = sample_person(number, **fields.pop("person", {}))
    return f"{code}/{person['id']}", {
        "offering": code,
        "learner": person,
        "status": "enrolled",
        **fields,
    }


def enrolled(night: Nights) -> str:
    """The code of a course in which the Academy has enrolled sample person 1."""
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    night.academy.register("SAMPLE", code, sample_person(1))
    night.good_night()
    return code


@BOTH
def test_a_file_does_not_change_the_academys_registrations(night: Nights) -> None:
    code = enrolled(night)
    mine = registration(code, 2)
    report = import_(night, Kind.ENROLMENT, registration(code, 1, status="withdrawn"), mine)
    assert (report.status, night.quarantined()) == (
        "partial",
        {f"{code}/SAMPLE-1": "owned-elsewhere"},
    )
    night.night()
    assert [place.state for place in night.lms.roster.values()] == [ACTIVE, ACTIVE]
    changed = registration(code, 2, status="withdrawn")  # what a file brought it may change
    assert import_(night, Kind.ENROLMENT, changed).counts["enrolment.update.applied"] == 1


@BOTH
def test_a_file_does_not_change_the_academys_people(night: Nights) -> None:
    enrolled(night)
    second = night.lms.add_course("Waves")
    night.good_night()
    code = night.codes()[second]
    before = night.contents()["learner"]
    strange = registration(code, 1, person={"email": "other@example.org"})
    assert import_(night, Kind.ENROLMENT, strange).status == "failed"
    assert night.quarantined() == {f"{code}/SAMPLE-1": "learner-differs"}
    renamed = registration(code, 1, person={"given_name": "Renamed"})
    assert import_(night, Kind.ENROLMENT, renamed).status == "done"
    assert night.quarantined() == {}
    assert night.contents()["learner"] == before
    assert night.count("enrolment") == 2


@BOTH
def test_a_file_does_not_change_the_lmss_results(night: Nights) -> None:
    code = enrolled(night)
    (place,) = night.lms.roster
    night.lms.grades[place] = {"score": "80"}
    night.good_night()
    before = night.contents()["result"]
    report = import_(night, Kind.RESULT, (f"{code}/SAMPLE-1", {"score": "10"}))
    assert (report.status, night.quarantined()) == (
        "failed",
        {f"{code}/SAMPLE-1": "owned-elsewhere"},
    )
    assert night.contents()["result"] == before
