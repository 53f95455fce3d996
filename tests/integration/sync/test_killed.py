"""Killed between any two steps of the peers and of the database: the next nights make it good."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from lms_bridge.domain.errors import Unreachable
from lms_bridge.domain.model import Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store.database import Database
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, CENTRE, SUSPENDED, Place
from tests.fakes.nights import Nights
from tests.fakes.steps import Killed, KillSwitch, Steps, kills

HAND, MINE, OUT = "SAMPLE-0", "SAMPLE-1", "SAMPLE-4"


def prepared(night: Nights) -> None:
    """Everything a night can have to do: a new course, an edited and a hidden one; people to be
    enrolled, one of whom the centre has enrolled by itself, and one to be taken out; a grade."""
    night.policy = Policy(hold_percent=100, hold_records=1000)
    first, hidden = night.lms.add_course("Spectrum"), night.lms.add_course("Old")
    night.good_night()
    code = night.codes()[first]
    night.academy.register("SAMPLE", code, sample_person(4), key="out")
    night.good_night()
    night.lms.courses[first]["title"] = "Spectrum, renamed"
    night.lms.hidden.add(hidden)
    night.lms.add_course("New")
    night.lms.enrol(first, night.lms.add_person(HAND, "sample0@example.org"))
    for number in range(4):
        night.academy.register("SAMPLE", code, sample_person(number), key=f"r{number}")
    night.academy.change("out", "withdrawn")
    (place,) = [key for key, each in night.lms.roster.items() if each.by == BRIDGE]
    night.lms.grades[place] = {"score": "5"}


def check(night: Nights) -> None:
    assert sorted(night.academy.catalogue.values()) == ["New", "Spectrum, renamed"]
    ids = sorted(person.stable_id for person in night.lms.people.values())
    assert ids == [f"SAMPLE-{n}" for n in range(5)]
    names = {account: person.stable_id for account, person in night.lms.people.items()}
    roster = {names[account]: place for (_, account), place in night.lms.roster.items()}
    assert roster == {
        HAND: Place(ACTIVE, CENTRE),
        **{f"SAMPLE-{n}": Place(ACTIVE, BRIDGE) for n in (1, 2, 3)},
        OUT: Place(SUSPENDED, BRIDGE),
    }
    for link in night.links(night.centre.system, Kind.ENROLMENT):
        account = link.external_id.rpartition("/")[2]
        assert link.created_by_us == (names[account] != HAND), names[account]
        assert not link.sending
    assert [document["score"] for document in night.academy.results.values()] == ["5"]
    assert night.lms.trespasses == []
    assert night.quarantined() == {}


def watched(night: Nights) -> KillSwitch:
    switch = KillSwitch()
    if night.lends:
        night.lms.steps.at("answer", night.send)
        night.lms.steps.at("enrolment.after", night.send)
    switch.watch(night.database)
    night.lms.steps.switch = night.academy.steps.switch = switch
    return switch


def killed_at(night: Nights, step: int) -> None:
    switch = watched(night)
    switch.arm(step)
    with pytest.raises(Killed):
        night.night()
    night.crash(switch)
    # The dead run's lease is taken over.
    assert night.night().status in ("done", "partial", "waiting")
    night.good_night()
    check(night)


def copy_of(night: Nights, database: Database) -> Nights:
    """The same night over a copy of its database."""
    made = Nights(database, policy=night.policy, now=night.now, lends=night.lends)
    for name in ("lms", "academy"):
        peer = getattr(night, name)
        steps, peer.steps = peer.steps, None  # it holds a lock
        copied = deepcopy(peer)
        peer.steps, copied.steps = steps, Steps()
        setattr(made, name, copied)
    return made


@BOTH
def test_a_night_that_nobody_kills_is_complete(night: Nights) -> None:
    prepared(night)
    night.good_night()
    check(night)


@pytest.mark.parametrize("lends", [False, True], ids=["held", "lent"])
def test_a_kill_between_any_two_steps_is_made_good(
    sqlite_address_maker: Callable[[], str], open_database: Callable[[str], Database], lends: bool
) -> None:
    """Also while the lease is lent, and others use it."""
    address = sqlite_address_maker()
    before = Nights(open_database(address))
    prepared(before)
    before.lends = lends
    before.database.close()
    file = Path(address.removeprefix("sqlite:///"))

    def again(number: int) -> Nights:
        path = file.with_name(f"copy-{number}.sqlite3")
        shutil.copyfile(file, path)
        return copy_of(before, open_database(f"sqlite:///{path}"))

    whole = again(-1)
    switch = watched(whole)
    whole.good_night()
    steps = list(switch.steps)
    assert len(steps) > 60
    for number in kills(steps):
        night = again(number)
        try:
            killed_at(night, number)
        except AssertionError as error:
            before_step = f"killed before step {number}, {steps[number]}"
            raise AssertionError(f"{before_step}: {error}") from error
        night.database.close()


@pytest.mark.parametrize("share", range(5))
def test_a_kill_on_postgresql_is_made_good(
    postgres_address: str, open_database: Callable[[str], Database], share: int
) -> None:
    """A few of the points: how transactions end is the database's own."""
    night = Nights(open_database(postgres_address))
    prepared(night)
    killed_at(night, 5 + 12 * share)
    night.good_night()
    before = night.contents()
    night.good_night()
    assert night.contents() == before


@BOTH
def test_repeated_kills_are_made_good(night: Nights) -> None:
    """Each night dies a little later than the last one."""
    prepared(night)
    switch = watched(night)
    for step in (5, 18, 30, 39, 44, 47, 52, 60):
        switch.arm(step)
        try:
            night.night()
        except Killed:
            night.crash(switch)
        switch.arm(None)
    night.night()
    night.good_night()
    check(night)


@BOTH
@pytest.mark.parametrize("point", ["enrolment.before", "enrolment.after", "sent"])
def test_a_lost_answer_is_made_good(night: Nights, point: str) -> None:
    prepared(night)
    night.lms.steps.fail(point, Unreachable("timed-out", "No answer.", applied=True), nth=2)
    night.academy.steps.fail("sent", Unreachable("timed-out", "No answer.", applied=True))
    night.night()
    night.good_night()
    night.good_night()
    check(night)
