"""Large imports: in parts, shown together, made good after a kill between any two steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from lms_bridge.api import queries
from lms_bridge.domain.errors import Unreachable
from lms_bridge.domain.model import Flow, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store import enrolments
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import (
    IS_SHOWN,
    enrolment,
    learner,
    link,
    offering,
    open_import,
    quarantine,
    source_digest,
)
from lms_bridge.sync import parts, pull, push
from lms_bridge.sync.learners import LearnerTarget
from lms_bridge.sync.targets import EnrolmentTarget
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.nights import Nights
from tests.fakes.steps import Killed, KillSwitch, kills
from tests.integration.sync.test_killed import copy_of

MANY = 12


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four changed records are many, and a part has three."""
    monkeypatch.setattr(pull, "MOST_IN_MEMORY", 4)
    monkeypatch.setattr(parts, "PART", 3)
    monkeypatch.setattr(push, "KEEP_AFTER_OUTCOMES", 3)
    monkeypatch.setattr(push, "NOTE_AT_ONCE", 3)


def prepared(night: Nights, many: int = MANY) -> str:
    """A course with many registrations that the bridge does not know yet. Returns its code."""
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    for number in range(many):
        night.academy.register("SAMPLE", code, sample_person(number), key=f"r{number}")
    return code


def shown(night: Nights) -> int:
    with night.database.reading() as tx:
        return enrolments.count_shown(tx)


def listed(night: Nights) -> int:
    with night.database.reading() as tx:
        return len(queries.registrations(tx, {}, 0, 1000, None))


def check(night: Nights, many: int = MANY) -> None:
    assert shown(night) == listed(night) == many
    assert len(night.lms.roster) == many
    assert night.count("open_import") == 0
    assert not [each for each in night.links(night.centre.system, Kind.ENROLMENT) if each.sending]


def test_a_large_import_brings_what_a_small_one_brings(
    open_database: Callable[[str], Database],
    sqlite_address_maker: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for most in (4, 1000):
        monkeypatch.setattr(pull, "MOST_IN_MEMORY", most)
        night = Nights(open_database(sqlite_address_maker()))
        prepared(night)
        night.good_night()
        check(night)
        night.good_night()
        before = night.contents()
        night.good_night()
        assert night.contents() == before
        ignored = {"id", "record_id", "learner_id", "offering_id", "import_id", "changed_at", "at"}
        found.append(
            {
                name: sorted(
                    repr([value for column, value in row.items() if column not in ignored])
                    for row in rows
                )
                for name, rows in tables(night).items()
            }
        )
    assert found[0] == found[1]


def tables(night: Nights) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with night.database.reading() as tx:
        for table in (enrolment, item, learner, link, quarantine, source_digest):
            found[table.name] = [dict(row._mapping) for row in tx.execute(select(table))]
    return found


def test_a_large_import_is_shown_whole_or_not_at_all_wherever_it_is_killed(
    sqlite_address_maker: Callable[[], str], open_database: Callable[[str], Database]
) -> None:
    address = sqlite_address_maker()
    before = Nights(open_database(address))
    prepared(before)
    before.database.close()
    file = Path(address.removeprefix("sqlite:///"))

    def again(number: int) -> tuple[Nights, KillSwitch]:
        path = file.with_name(f"copy-{number}.sqlite3")
        shutil.copyfile(file, path)
        night = copy_of(before, open_database(f"sqlite:///{path}"))
        switch = KillSwitch()
        switch.watch(night.database)
        night.lms.steps.switch = night.academy.steps.switch = switch
        return night, switch

    whole, switch = again(-1)
    whole.good_night()
    check(whole)
    steps = list(switch.steps)
    seen = set()
    for number in kills(steps):
        night, switch = again(number)
        switch.arm(number)
        with pytest.raises(Killed):
            night.night()
        night.crash(switch)
        seen.add(shown(night))
        assert listed(night) in (0, MANY), steps[number]
        hidden = night.count("enrolment") - shown(night)
        night.academy.steps.fail("read", Unreachable("no-connection", "No connection."))
        night.night((Flow.ENROLMENTS,))  # the Academy is away: nothing hidden reaches the centre
        assert len(night.lms.roster) in (0, MANY) if hidden else True
        night.academy.steps.clear()
        assert night.night().status in ("done", "partial")
        night.good_night()
        check(night)
        night.database.close()
    assert seen == {0, MANY}


@BOTH
def test_no_transaction_of_a_large_import_writes_more_than_one_part(night: Nights) -> None:
    prepared(night, 40)
    written: list[int] = []

    @event.listens_for(night.database.engine, "begin")
    def _begin(connection: Any) -> None:
        if connection.get_execution_options().get("writing"):
            written.append(0)

    @event.listens_for(night.database.engine, "after_cursor_execute")
    def _count(connection: Any, cursor: Any, *_: Any) -> None:
        if connection.get_execution_options().get("writing"):
            written[-1] += max(cursor.rowcount, 0)

    night.run((Flow.ENROLMENTS,))
    assert max(written) < 40


def catalogue(night: Nights) -> dict[str, tuple[str, bool]]:
    """{external id: (title, listed)} of what the bridge holds."""
    with night.database.reading() as tx:
        rows = tx.execute(
            select(link.c.external_id, offering.c.title, offering.c.listed)
            .join(offering, offering.c.id == link.c.record_id)
            .where(link.c.kind == "offering", link.c.system == night.centre.system)
        )
        return {row[0]: (row[1], row[2]) for row in rows}


@BOTH
def test_a_large_catalogue_is_applied_in_parts(night: Nights) -> None:
    made = [night.lms.add_course(f"Course {number}") for number in range(40)]
    written: list[int] = []

    @event.listens_for(night.database.engine, "begin")
    def _begin(connection: Any) -> None:
        if connection.get_execution_options().get("writing"):
            written.append(0)

    @event.listens_for(night.database.engine, "after_cursor_execute")
    def _count(connection: Any, cursor: Any, *_: Any) -> None:
        if connection.get_execution_options().get("writing"):
            written[-1] += max(cursor.rowcount, 0)

    night.run((Flow.OFFERINGS,))
    assert max(written) < 40
    assert catalogue(night) == {each: (f"Course {n}", True) for n, each in enumerate(made)}
    for number, course in enumerate(made):
        if number % 3:
            night.lms.courses[course]["title"] = f"Changed {number}"
        else:
            night.lms.delete_course(course)
    night.good_night()
    found = catalogue(night)
    assert {title for title, listed in found.values() if listed} == {
        f"Changed {n}" for n in range(40) if n % 3
    }
    counts = night.good_night().counts  # nothing is left for another night
    assert not [key for key in counts if key.endswith(".applied")]


@BOTH
def test_a_held_removal_of_a_large_catalogue_applies_nothing(night: Nights) -> None:
    made = [night.lms.add_course(f"Course {number}") for number in range(MANY)]
    night.good_night()
    before = catalogue(night)
    night.policy = Policy(hold_records=2, hold_percent=1)
    for course in made[:6]:
        night.lms.delete_course(course)
    for course in made[6:]:
        night.lms.courses[course]["title"] = "Changed"
    assert night.night().status == "held"
    assert catalogue(night) == before
    night.decide(approve=False)
    night.night()
    found = catalogue(night)
    assert [title for title, _ in found.values()].count("Changed") == 6
    assert all(listed for _, listed in found.values())  # a person chose to keep them


@pytest.mark.parametrize("steps", [3, 9, 14, 20])
def test_a_large_catalogue_is_whole_after_a_kill(night: Nights, steps: int) -> None:
    for number in range(MANY):
        night.lms.add_course(f"Course {number}")
    switch = KillSwitch()
    switch.watch(night.database)
    switch.arm(steps)
    with pytest.raises(Killed):
        night.run((Flow.OFFERINGS,))
    night.crash(switch)
    night.good_night()
    assert len(catalogue(night)) == MANY
    assert len(night.academy.offerings) == MANY


@BOTH
def test_a_large_removal_waits_for_a_person_and_then_goes_in_parts(night: Nights) -> None:
    prepared(night)
    night.good_night()
    night.policy = Policy(hold_records=2, hold_percent=1)
    for number in range(MANY - 2):
        night.academy.registrations.pop(f"r{number}")
    assert night.night().status == "held"
    assert statuses(night) == {"enrolled": MANY}
    night.decide(approve=True)
    night.night()
    night.good_night()
    assert statuses(night) == {"enrolled": 2, "withdrawn": MANY - 2}


@pytest.mark.parametrize("steps", [4, 7, 10, 13, 16])
def test_changes_of_known_people_appear_person_by_person_and_go_on_after_a_kill(
    night: Nights, steps: int
) -> None:
    """They are shown part by part: each person as before or as after, never half, and what a kill
    left undone follows with the next run."""
    prepared(night)
    other = night.lms.add_course("Security")
    night.good_night()
    for number in range(MANY):
        code = night.codes()[other]
        night.academy.register("SAMPLE", code, sample_person(number), key=f"s{number}")
    night.good_night()
    for number in range(MANY):
        night.academy.change(f"r{number}", "withdrawn")
        night.academy.change(f"s{number}", "withdrawn")
    switch = KillSwitch()
    switch.watch(night.database)
    switch.arm(steps)
    with pytest.raises(Killed):
        night.run((Flow.ENROLMENTS,))
    night.crash(switch)
    by_person: dict[int, set[str]] = {}
    with night.database.reading() as tx:
        for person, status in tx.execute(select(enrolment.c.learner_id, enrolment.c.status)):
            by_person.setdefault(person, set()).add(str(status))
    assert all(len(each) == 1 for each in by_person.values())
    night.good_night()
    assert statuses(night) == {"withdrawn": 2 * MANY}
    assert {place.state for place in night.lms.roster.values()} == {"suspended"}


@BOTH
def test_whoever_changes_courses_is_in_one_of_them_at_every_moment(night: Nights) -> None:
    """Readers see each person as before or as after: in the old course, or in the new one. Somebody
    who is new is seen when all of them are there."""
    first = prepared(night)
    other = night.lms.add_course("Security")
    night.good_night()
    for number in range(MANY):
        night.academy.change(f"r{number}", "withdrawn")
        code = night.codes()[other]
        night.academy.register("SAMPLE", code, sample_person(number), key=f"s{number}")
    for number in range(MANY, MANY + 5):
        night.academy.register("SAMPLE", first, sample_person(number), key=f"n{number}")
    seen: list[list[int]] = []

    def look() -> None:
        query = select(enrolment.c.learner_id).where(IS_SHOWN, enrolment.c.status == "enrolled")
        with night.database.reading() as tx:
            seen.append(sorted(tx.scalars(query)))

    @event.listens_for(night.database.engine, "begin")
    def _begin(connection: Any) -> None:
        if connection.get_execution_options().get("writing"):
            look()

    night.run((Flow.ENROLMENTS,))
    look()
    before, after = seen[0], seen[-1]
    assert (len(before), len(after)) == (MANY, MANY + 5)
    assert [each for each in seen if each not in (before, after)] == []
    assert len(night.lms.roster) == 2 * MANY + 5


def statuses(night: Nights) -> dict[str, int]:
    found: dict[str, int] = {}
    with night.database.reading() as tx:
        for status in tx.scalars(select(enrolment.c.status)):
            found[str(status)] = found.get(str(status), 0) + 1
    return found


@BOTH
def test_changes_of_a_large_import_follow_its_end(night: Nights) -> None:
    """Who asks for changes since a moment during the import gets all of them afterwards."""
    prepared(night)
    began = night.now
    night.good_night()
    with night.database.reading() as tx:
        moments = set(tx.scalars(select(enrolment.c.changed_at)))
        revisions = set(tx.scalars(select(enrolment.c.revision)))
        assert tx.scalars(select(open_import.c.id)).all() == []
    assert revisions == {1}
    assert all(moment > began for moment in moments)


@BOTH
def test_a_large_snapshot_keeps_its_records_on_disk(night: Nights) -> None:
    prepared(night)
    feed = pull.SourceFeed("academy", Kind.ENROLMENT, "source:X", b"", exhaustive=True)
    pages = night.academy.read_registrations("SAMPLE", {})
    snapshot = pull.pull(feed, pages, night.database, spills=True)
    with snapshot:
        assert (snapshot.changed, snapshot.is_large) == ([], True)
        people = [person for person, _ in snapshot.by_person()]
    assert people == sorted(people)
    assert len(people) == MANY


def test_a_push_remembers_the_records_of_one_page(
    night: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first import may have hundreds of thousands, in many pages."""
    monkeypatch.setattr(push, "PAGE", 3)
    most: list[int] = []
    for kind in (EnrolmentTarget, LearnerTarget):

        def note(target: Any, *results: Any, after: Any = kind.after_write) -> None:
            kept = [each for each in vars(target).values() if isinstance(each, dict | set)]
            by_number = [each for each in kept if all(isinstance(key, int) for key in each)]
            most.append(max(map(len, by_number)))
            after(target, *results)

        monkeypatch.setattr(kind, "after_write", note)
    prepared(night)
    night.good_night()
    check(night)
    assert max(most) == 3
