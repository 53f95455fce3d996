"""Batches, halves, and calls side by side."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

import pytest

from connectors.moodle.enrolling import Outcome
from connectors.moodle.enrolments import Queue
from connectors.moodle.work import Pool, halving
from lms_bridge.domain.errors import RecordRefused, Unreachable


@pytest.mark.parametrize("bad", [set(), {0}, {99}, {3, 4, 50}, set(range(100))])
def test_halving_finds_exactly_the_bad_rows(bad: set[int]) -> None:
    calls = 0

    def send(rows: Sequence[int]) -> str:
        nonlocal calls
        calls += 1
        if bad & set(rows):
            raise RecordRefused("bad", "bad")
        return "sent"

    good: list[int] = []
    refused: list[int] = []
    for rows, answer in halving(range(100), send):
        (refused if isinstance(answer, RecordRefused) else good).extend(rows)
    assert set(refused) == bad
    assert good == [number for number in range(100) if number not in bad]
    assert calls <= 1 + 15 * len(bad)


def test_other_errors_end_the_halving() -> None:
    def send(rows: Sequence[int]) -> str:
        raise Unreachable("down", "down")

    with pytest.raises(Unreachable):
        list(halving(range(4), send))


def test_what_had_begun_is_reported_before_the_error() -> None:
    pool = Pool(2)
    failing, other = threading.Event(), threading.Event()

    def fail() -> list[str]:
        other.wait(10)
        failing.set()
        raise Unreachable("down", "down")

    def work() -> list[str]:
        other.set()
        failing.wait(10)
        return ["done"]

    tasks = iter([fail, work])
    outcomes = pool.outcomes(lambda: next(tasks, None))
    assert next(outcomes) == "done"
    with pytest.raises(Unreachable):
        next(outcomes)
    pool.close()


def test_results_come_in_order() -> None:
    pool = Pool(3)
    assert list(pool.each(lambda number: number * 2, range(50))) == list(range(0, 100, 2))
    pool.close()


def test_courses_take_turns_and_the_first_task_of_each_runs_alone() -> None:
    queue = Queue()
    done: list[int] = []

    def work(course: int) -> list[Outcome]:
        done.append(course)
        return []

    for course in (1, 2):
        for _ in range(3):
            queue.add(course, partial(work, course))
    first, second = queue.take(), queue.take()
    assert queue.take() is None  # both courses are under way for the first time
    assert first is not None
    assert second is not None
    first()
    second()
    assert sorted(done) == [1, 2]
    rest = [queue.take() for _ in range(4)]
    assert all(rest)  # later tasks of a course may run side by side
    assert queue.take() is None
