"""A bridge is killed with ``kill -9`` while a score climbs; the next run does the rest, at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from sqlalchemy import select

from lms_bridge.lti import vocabulary as lti
from lms_bridge.store.run_tables import run
from tests.integration.lti_chain.chain import Chain
from tests.integration.lti_platform.test_services import stored_result_of
from tests.integration.lti_platform.waiting import until
from tests.integration.lti_platform.world import VAULT_KEY

ROOT = Path(__file__).parents[3]


@contextmanager
def another_process(chain: Chain) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The same bridge in a process of its own, and the address at which that one is served."""
    database = chain.world.bridge.database.engine.url.render_as_string(hide_password=False)
    arguments = [database, chain.world.address, VAULT_KEY]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.lti_chain.child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as child:
        try:
            yield child, _first_line(child.stdout)
        finally:
            child.kill()


def _first_line(out: IO[str] | None) -> str:
    assert out is not None
    return out.readline().strip()


@pytest.mark.parametrize(
    ("when", "path", "arrived"),
    [("requested", "/token", []), ("answered", "/Items/6/lineitem/scores", [70])],
    ids=["between the score and the push", "before the answer to the push is heard"],
)
def test_a_kill_while_a_score_is_sent_loses_nothing(
    either_chain: Chain, when: str, path: str, arrived: list[int]
) -> None:
    chain = either_chain
    claims = chain.launch()
    with another_process(chain) as (child, address):

        def kill(*now: str) -> None:
            if now == (when, path):
                child.send_signal(signal.SIGKILL)
                child.wait(timeout=300)

        chain.academy.meanwhile = kill
        item = claims[lti.AGS_ENDPOINT]["lineitem"].removeprefix(chain.world.address)
        sent = chain.world.score(
            userId="acad-1",
            scoreGiven=70,
            scoreMaximum=100,
            timestamp="2026-03-01T10:01:00Z",
        )
        assert chain.world.call("POST", f"{address}{item}/scores", body=sent).status_code == 204
        until(lambda: child.poll() == -signal.SIGKILL)
    chain.academy.meanwhile = lambda when, path: None
    assert [given for _, given, _ in chain.scores()] == arrived
    assert stored_result_of(chain.world) is not None
    assert chain.send().status == "done"
    (person, given, at) = chain.scores()[-1]
    assert (person, given, at[:16]) == ("acad-1", 70, "2026-03-01T10:01")
    assert len(chain.scores()) == len(arrived) + 1
    chain.send()
    assert len(chain.scores()) == len(arrived) + 1
    with chain.world.bridge.database.reading() as tx:
        statuses = list(tx.scalars(select(run.c.status).order_by(run.c.id)))
    killed = statuses.index("cut off")  # the launch itself leaves a run, too
    assert statuses[killed : killed + 2] == ["cut off", "done"]
