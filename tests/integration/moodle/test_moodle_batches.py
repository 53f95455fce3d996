"""Batches, bisection, and several calls at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial

import pytest

from lms_bridge.connectors.moodle.batches import CallPool, CourseQueue, Outcome
from lms_bridge.domain.batches import bisected
from lms_bridge.domain.errors import OutOfTime, RecordRefused, Unreachable
from lms_bridge.http.deadline import Deadline, check_time, starting_until


@pytest.mark.parametrize("bad", [set(), {0}, {99}, {3, 4, 50}, set(range(100))])
def test_bisection_finds_exactly_the_bad_rows(bad: set[int]) -> None:
    calls = 0

    def send(rows: Sequence[int]) -> str:
        nonlocal calls
        calls += 1
        if bad & set(rows):
            raise RecordRefused("bad", "bad")
        return "sent"

    good: list[int] = []
    refused: list[int] = []
    for rows, answer in bisected(range(100), send):
        (refused if isinstance(answer, RecordRefused) else good).extend(rows)
    assert set(refused) == bad
    assert good == [number for number in range(100) if number not in bad]
    assert calls <= 1 + 15 * len(bad)


def test_other_errors_end_the_bisection() -> None:
    def send(rows: Sequence[int]) -> str:
        raise Unreachable("down", "down")

    with pytest.raises(Unreachable):
        list(bisected(range(4), send))


def test_running_tasks_report_before_the_error_is_raised() -> None:
    pool = CallPool(2)
    failing, other = threading.Event(), threading.Event()

    def fail() -> list[str]:
        other.wait(120)
        failing.set()
        raise Unreachable("down", "down")

    def work() -> list[str]:
        other.set()
        failing.wait(120)
        return ["done"]

    tasks = iter([fail, work])
    outcomes = pool.outcomes(lambda: next(tasks, None))
    assert next(outcomes) == "done"
    with pytest.raises(Unreachable):
        next(outcomes)
    pool.close()


def test_the_threads_have_the_time_of_the_run_that_asks() -> None:
    pool = CallPool(2)
    with starting_until(Deadline(0, time.monotonic)), pytest.raises(OutOfTime):
        list(pool.each(lambda _: check_time(), [1]))
    assert list(pool.each(lambda _: check_time(), [1])) == [None]
    pool.close()


def test_results_come_in_order() -> None:
    pool = CallPool(3)
    assert list(pool.each(lambda number: number * 2, range(50))) == list(range(0, 100, 2))
    pool.close()


def test_courses_take_turns_and_the_first_task_of_each_runs_alone() -> None:
    queue = CourseQueue()
    done: list[int] = []

    def work(course: int) -> list[Outcome]:
        done.append(course)
        return []

    for course in (1, 2):
        for _ in range(3):
            queue.add(course, partial(work, course))
    first, second = queue.next_task(), queue.next_task()
    assert queue.next_task() is None  # the first task of each course runs alone
    assert first is not None
    assert second is not None
    first()
    second()
    assert sorted(done) == [1, 2]
    rest = [queue.next_task() for _ in range(4)]
    assert all(rest)  # later tasks of a course may run at once
    assert queue.next_task() is None
