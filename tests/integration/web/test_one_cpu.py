"""Threads that answer requests stay on one CPU."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lms_bridge.web.one_cpu import on_one_cpu

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ALLOWED = os.sched_getaffinity(0)


def _where(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ["cpus"] = os.sched_getaffinity(0)
    return [b""]


def _asked(application: object, _: object = None) -> set[int]:
    environ: dict[str, set[int]] = {}
    assert callable(application)
    assert application(environ, lambda *_: None) == [b""]
    return environ["cpus"]


def test_all_threads_that_answer_are_on_the_same_one() -> None:
    application = on_one_cpu(_where)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _asked(application), range(16)))
    assert all(len(each) == 1 for each in found)
    assert len(set.union(*found)) == 1
    assert os.sched_getaffinity(0) == ALLOWED  # whoever does not answer may go anywhere


def test_a_system_that_forbids_it_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: int, __: set[int]) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    assert _asked(on_one_cpu(_where)) == ALLOWED


def test_a_system_that_knows_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    assert on_one_cpu(_where) is _where
