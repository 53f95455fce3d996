"""What launches leave behind: in the worker's memory, in the database, in a browser."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.lti.launches import Visit, launch_all
from benchmarks.lti.loading import Script, run
from benchmarks.lti.platform import Platform, platform
from benchmarks.lti.serving import workers_memory
from benchmarks.lti.tools import Tool, bridge, database_in
from benchmarks.report import Row
from lms_bridge.domain.clock import utc_now
from lms_bridge.lti.nonces import Nonces
from lms_bridge.lti.tool.message import MARK_SECONDS
from lms_bridge.settings import LtiSettings
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import nonce

BLOCK, BLOCKS, WARM_UP = 1_000, 3, 1_000
MOST_GROWTH = 1.02


def growth(folder: Path) -> list[Row]:
    """Blocks of launches after a warm-up, each by a new browser; then a block by one browser."""
    with platform() as sender, bridge(sender, folder) as tool:
        launch_all(tool, sender, [Visit() for _ in range(WARM_UP)])
        memory = [workers_memory(tool.server.process)]
        for _ in range(BLOCKS):
            launch_all(tool, sender, [Visit() for _ in range(BLOCK)])
            memory.append(workers_memory(tool.server.process))
        marks, records = _left(folder)
        cookies: dict[str, str] = {}
        held = run(tool.server.address, _by_one_browser(tool, sender, cookies), connections=1)
    ratio = memory[-1] / memory[0]
    return [
        Row(
            f"Memory of the worker after {BLOCKS} x {BLOCK:,} launches, of that before",
            f"{ratio:.3f} x ({', '.join(f'{each:.1f}' for each in memory)} MB)",
            f"<= {MOST_GROWTH} x",
            ratio <= MOST_GROWTH,
            {"mb": memory},
        ),
        Row(
            f"Records left by {BLOCKS * BLOCK + WARM_UP:,} launches once their logins are over",
            f"{records:,} (until then {marks:,} marks)",
            "0",
            records == 0,
        ),
        Row(
            f"Cookies of one browser after {BLOCK:,} launches, one after the other",
            f"{len(cookies):,} ({held:.0f} s)",
            "0",
            not cookies,
        ),
    ]


def _left(folder: Path) -> tuple[int, int]:
    """How many records there are, and how many when the last login will be over."""
    database = Database(database_in(folder))
    now = _records(database)
    over = timedelta(seconds=LtiSettings().login_seconds + MARK_SECONDS + 1)
    Nonces(database, lambda: utc_now() + over).purge()
    then = _records(database)
    database.close()
    return now, then


def _records(database: Database) -> int:
    with database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(nonce)) or 0


def _by_one_browser(tool: Tool, sender: Platform, cookies: dict[str, str]) -> list[Script]:
    return [_whole(Visit(cookies), tool, sender) for _ in range(BLOCK)]


def _whole(visit: Visit, tool: Tool, sender: Platform) -> Script:
    yield from visit.login(tool, sender)
    yield from visit.launch(tool, sender)
