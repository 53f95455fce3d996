"""A hold of an import: what its approval promises is done, and nothing else."""

from __future__ import annotations

from sqlalchemy import select

from lms_bridge.domain.model import Flow, Kind
from lms_bridge.domain.policy import OnConflict, Policy
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.imports import CentreRows, apply_file
from lms_bridge.store import holds
from lms_bridge.store.tables import offering
from lms_bridge.sync.context import dry_run_of
from lms_bridge.sync.holds import consequence
from lms_bridge.sync.run import RunReport, RunRequest, report_of
from tests.fakes.academy import sample_person
from tests.fakes.nights import Nights

CAREFUL = Policy(hold_floor=2, hold_records=3, hold_percent=20.0)


def rows(kind: Kind, numbers: range, offering: str = "") -> CentreRows:
    if kind is Kind.OFFERING:
        fields = {"starts_at": "2026-05-01", "ends_at": "2026-06-01", "time_zone": "UTC"}
        return CentreRows([RawRecord(f"o{n}", {"title": f"Course {n}", **fields}) for n in numbers])
    people = [
        {"id": f"S-{n}", "given_name": "Sample", "family_name": f"P{n}", "email": f"s{n}@x.example"}
        for n in numbers
    ]
    return CentreRows(
        [
            RawRecord(
                f"{offering}/{each['id']}",
                {"offering": offering, "learner": each, "status": "enrolled"},
            )
            for each in people
        ]
    )


def imported(night: Nights, kind: Kind, share: CentreRows) -> RunReport:
    flow = Flow.OFFERINGS if kind is Kind.OFFERING else Flow.ENROLMENTS
    request = RunRequest(night.centre, night.policy, (flow,), "import")
    return night.runner().run(request, lambda c: apply_file(c, kind, share, whole=True))


def listed(night: Nights) -> list[str]:
    with night.database.reading() as tx:
        query = select(offering.c.title).where(offering.c.listed).order_by(offering.c.id)
        return list(tx.scalars(query))


def test_approved_removals_of_a_schedule_are_made_by_the_next_run(night: Nights) -> None:
    night.policy = CAREFUL
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(10)))
    assert imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(2))).status == "held"
    (hold,) = night.holds()
    assert (len(hold.record_ids), hold.out_of) == (8, 10)
    assert consequence(hold, approve=True).startswith("The next run ends these 8 offerings.")
    night.minutes([Flow.OFFERINGS])
    assert len(listed(night)) == 10
    night.decide(approve=True)
    assert night.minutes([Flow.OFFERINGS]).status == "done"
    assert listed(night) == ["Course 0", "Course 1"]
    # The same files again: nothing is held a second time, and what comes back is back.
    assert imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(2))).status == "done"
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(10)))
    assert len(listed(night)) == 10
    assert night.minutes([Flow.OFFERINGS]).status == "done"
    assert len(listed(night)) == 10


def test_rejected_removals_of_a_schedule_stay(night: Nights) -> None:
    night.policy = CAREFUL
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(10)))
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(2)))
    night.decide(approve=False)
    night.minutes([Flow.OFFERINGS])
    assert len(listed(night)) == 10


def test_a_record_that_comes_again_after_the_approval_stays(night: Nights) -> None:
    night.policy = CAREFUL
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(10)))
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(2)))
    night.decide(approve=True)
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(10)))
    night.minutes([Flow.OFFERINGS])
    assert len(listed(night)) == 10


def test_approved_removals_of_registrations_are_made_by_the_next_run(night: Nights) -> None:
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    night.policy = CAREFUL
    imported(night, Kind.ENROLMENT, rows(Kind.ENROLMENT, range(10), code))
    night.night()
    assert len(night.lms.roster) == 10
    report = imported(night, Kind.ENROLMENT, rows(Kind.ENROLMENT, range(1), code))
    assert report.status == "held"
    night.decide(approve=True)
    assert night.minutes().status == "done"
    assert [place.state for place in night.lms.roster.values()].count("active") == 1


def test_a_dry_run_of_an_import_shows_what_would_be_held(night: Nights) -> None:
    night.policy = CAREFUL
    imported(night, Kind.OFFERING, rows(Kind.OFFERING, range(10)))
    context = dry_run_of(night.database, night.centre, night.policy)
    apply_file(context, Kind.OFFERING, rows(Kind.OFFERING, range(2)), whole=True)
    report = report_of(context, 0.0)
    assert report.status == "held"
    assert dict(report.counts)["offering.remove.would be held"] == 8
    assert not night.holds()


def test_a_hold_counts_out_of_what_the_target_holds(night: Nights) -> None:
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    for number in range(10):
        night.academy.register("SAMPLE", code, sample_person(number))
    night.good_night()
    night.policy = CAREFUL
    for key in list(night.academy.registrations)[:7]:
        night.academy.change(key, "withdrawn")
    night.night()
    (hold,) = night.holds()
    assert (len(hold.record_ids), hold.out_of) == (7, 10)


def test_a_held_conflict_shows_its_fields(night: Nights) -> None:
    course = night.lms.add_course("Spectrum")
    night.good_night()
    night.policy = Policy(conflict=OnConflict.HOLD)
    (shown,) = night.academy.offerings.values()
    shown["title"] = "Renamed there"
    night.night()
    (hold,) = night.holds()
    with night.database.reading() as tx:
        fields = holds.fields_in_conflict(tx, hold)
    assert fields == {hold.record_ids[0]: {"title": ["Spectrum", "Renamed there"]}}
    assert (course, hold.out_of) == (course, 1)
