"""A run that waits for another system lends its lease: what people do meanwhile is sent at once,
once, and is not undone by what was read before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import ACADEMY, Flow, Kind, OfferingStatus
from lms_bridge.domain.policy import OnConflict
from lms_bridge.domain.ports import Action
from lms_bridge.domain.rules import Rules
from lms_bridge.store import offering_links, offerings, target_links
from lms_bridge.store.run_tables import item, lease, run
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import OfferingChange, change_offering
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, FakeCentre, Place
from tests.fakes.nights import NEVER_HOLD, Nights


@pytest.fixture
def lending(night: Nights) -> Nights:
    night.lends = True
    return night


def acting(code: str, action: OfferingAction) -> Callable[[Connection, RunContext], object]:
    act = OfferingChange(code, action, "for a test")
    return lambda tx, context: change_offering(tx, context, act, Rules())


def statuses(night: Nights) -> dict[str, OfferingStatus]:
    with night.database.reading() as tx:
        found = offerings.offerings_of(tx, night.centre.code)
    return {record.title: record.status for record in found.values()}


def taught(night: Nights) -> str:
    """A course with somebody in it, a grade, and another course; gives the code of the first."""
    course = night.lms.add_course("Spectrum")
    night.lms.add_course("Other")
    night.good_night()
    code = night.codes()[course]
    night.academy.register("SAMPLE", code, sample_person(1))
    night.good_night()
    night.lms.grades[next(iter(night.lms.roster))] = {"score": "5"}
    night.lms.courses[course]["title"] = "Spectrum, renamed"
    return code


READS = {"catalogue": 1, "roster": 2, "results": 3}


@BOTH
@pytest.mark.parametrize("nth", READS.values(), ids=READS)
def test_a_cancellation_is_at_the_academy_before_the_reading_goes_on(
    lending: Nights, nth: int
) -> None:
    night = lending
    code = taught(night)
    seen: list[tuple[str, str, list[str]]] = []

    def cancel() -> None:
        act, sent = night.act(acting(code, OfferingAction.CANCEL)), night.send()
        seen.append((act.status, sent.status, list(night.academy.catalogue.values())))

    night.lms.steps.at("answer", cancel, nth=nth)
    assert night.night().errors == ()
    assert seen == [("done", "done", ["Other"])]
    assert statuses(night)["Spectrum, renamed"] is OfferingStatus.CANCELLED
    removals = [each for each in night.academy.requests if each.action is Action.REMOVE]
    assert len(removals) == 1
    night.good_night()
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before
    assert night.academy.catalogue == dict.fromkeys(night.academy.catalogue, "Other")


@BOTH
def test_what_is_postponed_meanwhile_is_sent_once(lending: Nights) -> None:
    night = lending
    code = taught(night)
    sent = len(night.academy.requests)

    def postpone() -> None:
        assert night.act(acting(code, OfferingAction.POSTPONE)).status == "done"
        assert night.send().status == "done"
        assert night.academy.catalogue[code] == "Spectrum"

    night.lms.steps.at("answer", postpone)
    night.good_night()
    of_offerings = [each for each in night.academy.requests[sent:] if "code" in each.desired]
    # What was read meanwhile has another title, and is sent by the run that read it.
    assert [(each.desired["code"], each.changed) for each in of_offerings] == [
        (code, ("status",)),
        (code, ("title",)),
    ]
    (now,) = [each for each in night.academy.offerings.values() if each["code"] == code]
    assert (now["status"], now["title"]) == ("postponed", "Spectrum, renamed")


@BOTH
def test_another_run_that_reads_finds_the_centre_busy(lending: Nights) -> None:
    night = lending
    taught(night)
    inner = []
    night.lms.steps.at("answer", lambda: inner.append(night.run()))
    night.good_night()
    assert [(report.status, report.run_id) for report in inner] == [("busy", 0)]
    with night.database.reading() as tx:
        assert tx.execute(select(lease)).all() == []


@BOTH
def test_a_run_that_lends_is_not_taken_for_one_that_was_cut_off(lending: Nights) -> None:
    night = lending
    taught(night)
    seen: list[str] = []

    def look() -> None:
        night.send()
        with night.database.reading() as tx:
            seen.extend(tx.scalars(select(run.c.status).order_by(run.c.id.desc()).limit(2)).all())

    night.lms.steps.at("answer", look)
    night.good_night()
    assert seen == ["done", "running"]
    with night.database.reading() as tx:
        assert "cut off" not in tx.scalars(select(run.c.status)).all()


@BOTH
def test_a_lender_whose_claim_expired_writes_nothing_more(database: Any) -> None:
    night = Nights(database, lends=True, never=("defect", "database"))
    night.lms.add_course("Spectrum")
    late = []

    def sleep() -> None:
        night.now += timedelta(seconds=91)
        late.append(night.run([Flow.OFFERINGS]))
        night.lms.courses.clear()

    night.lms.steps.at("read", sleep)
    report = night.run([Flow.OFFERINGS])
    assert [each.status for each in late] == ["done"]
    assert [stage for stage, _ in report.errors] == ["lease"]
    assert list(night.academy.catalogue.values()) == ["Spectrum"]


@BOTH
@pytest.mark.parametrize("policy", OnConflict)
def test_what_was_sent_while_the_academy_showed_its_catalogue_is_no_conflict(
    lending: Nights, policy: OnConflict
) -> None:
    """The Academy's answer is older than what it confirmed since."""
    night = lending
    code = taught(night)
    night.good_night()
    night.policy = replace(NEVER_HOLD, conflict=policy)
    rename = replace(_offering(night, code), title="Named by the desk")

    def change(tx: Connection, context: RunContext) -> None:
        from lms_bridge.sync.desired_state import desire_offerings

        (record_id,) = (id_ for id_, _ in [offerings.offerings_by_code(tx, [code])[code]])
        offerings.change_offerings(tx, {record_id: rename})
        desire_offerings(tx, {record_id: rename})

    def send() -> None:
        night.act(change)
        night.send()

    answers = iter(night.academy.show_offerings(list(night.academy.offerings)))
    shown = list(answers)  # as they were

    def late(external_ids: list[str]) -> Any:
        send()
        yield from (page for page in shown if page.scope in external_ids)

    night.academy.show_offerings = late
    night.night([Flow.OFFERINGS])
    del night.academy.show_offerings
    assert night.academy.catalogue[code] == "Named by the desk"
    with night.database.reading() as tx:
        assert tx.scalars(select(item.c.state).where(item.c.action == "conflict")).all() == []
    night.good_night([Flow.OFFERINGS])
    assert night.academy.catalogue[code] == "Named by the desk"


def _offering(night: Nights, code: str) -> Any:
    with night.database.reading() as tx:
        return offerings.offerings_by_code(tx, [code])[code][1]


@BOTH
def test_a_decision_about_a_request_under_way_is_not_overwritten(lending: Nights) -> None:
    """Somebody has an enrolment sent again while it is sent: it is in doubt, and comes again."""
    night = lending
    course = night.lms.add_course("Spectrum")
    night.good_night()
    night.academy.register("SAMPLE", night.codes()[course], sample_person(1))

    def again() -> None:
        system = night.centre.system
        (link,) = night.links(system, Kind.ENROLMENT)
        with night.database.writing() as tx:
            target_links.send_again(tx, system, Kind.ENROLMENT, [link.record_id])

    night.good_night()
    night.academy.change(next(iter(night.academy.registrations)), "withdrawn")
    night.good_night()
    night.academy.change(next(iter(night.academy.registrations)), "enrolled")
    night.lms.steps.at("enrolment.after", again)
    night.night()
    (link,) = night.links(night.centre.system, Kind.ENROLMENT)
    assert link.sending
    sent = len(night.lms.requests)
    night.good_night()
    (link,) = night.links(night.centre.system, Kind.ENROLMENT)
    assert (link.sending, link.acknowledged == link.desired) == (False, True)
    assert len(night.lms.requests) == sent + 1
    assert list(night.lms.roster.values()) == [Place(ACTIVE, BRIDGE)]


@BOTH
def test_an_enrolment_is_sent_while_people_act(lending: Nights) -> None:
    night = lending
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    night.academy.register("SAMPLE", code, sample_person(1))
    acts = []

    def cancel() -> None:
        acts.append(night.act(acting(code, OfferingAction.CANCEL)).status)

    night.lms.steps.at("enrolment.after", cancel)
    night.night()
    assert acts == ["done"]
    night.good_night()
    assert [place.state for place in night.lms.roster.values()] == ["suspended"]
    assert night.academy.catalogue == {}


class CentreWithNames(FakeCentre):
    """Finds courses by their names."""

    def find_offering(self, lms_course: str, code: str) -> str | None:
        self.steps("find course")
        found = [key for key, each in self.courses.items() if each["title"] == lms_course]
        return found[0] if found else None


@BOTH
def test_a_course_that_another_was_named_for_meanwhile_is_not_linked(lending: Nights) -> None:
    night = lending
    night.lms = CentreWithNames(steps=night.lms.steps)
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    edition = replace(_offering(night, code), code="SAMPLE-edition", lms_course="Spectrum")
    with night.database.writing() as tx:
        (id_,) = offerings.add_offerings(tx, [edition])

    def name_another(tx: Connection, context: RunContext) -> None:
        offerings.change_offerings(tx, {id_: replace(edition, lms_course="Another")})

    night.lms.steps.at("find course", lambda: night.act(name_another))
    night.run([Flow.ENROLMENTS])
    with night.database.reading() as tx:
        assert offering_links.without_course(tx, "SAMPLE") == [(id_, edition.code, "Another")]
    assert night.links(ACADEMY, Kind.OFFERING)


@BOTH
def test_who_is_withdrawn_while_accounts_are_looked_for_gets_none(lending: Nights) -> None:
    night = lending
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    night.academy.register("SAMPLE", code, sample_person(1))
    night.lms.steps.at("find", lambda: night.act(acting(code, OfferingAction.CANCEL)))
    night.night()
    assert night.lms.people == {}
    night.good_night()
    assert (night.lms.people, night.lms.roster, night.waiting()) == ({}, {}, {})
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before
