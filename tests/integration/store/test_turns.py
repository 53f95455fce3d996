"""Writers of one process take turns in the order in which they asked."""

from __future__ import annotations

import threading

from lms_bridge.store.turns import Turns


def test_a_thread_that_asks_again_at_once_waits_for_those_who_asked_before() -> None:
    turns = Turns()
    order: list[str] = []
    asked = threading.Event()

    def other() -> None:
        asked.set()
        with turns:
            order.append("other")

    with turns:
        thread = threading.Thread(target=other)
        thread.start()
        assert asked.wait(timeout=120)
        while not turns._waiting:
            pass
    with turns:
        order.append("first again")
    thread.join(timeout=120)
    assert order == ["other", "first again"]


def test_threads_hold_it_one_at_a_time() -> None:
    turns = Turns()
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(200):
            with turns:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert (len(most), max(most)) == (1200, 1)
