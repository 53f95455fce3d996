"""What launches leave behind: in the worker's memory, in the table of logins, in a browser."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from benchmarks.lti.launches import Visit, launch_all
from benchmarks.lti.loading import Script, run
from benchmarks.lti.platform import Platform, platform
from benchmarks.lti.serving import workers_memory
from benchmarks.lti.tools import Tool, bridge, database_in
from benchmarks.report import Row
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import once

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
        records = _records(folder)
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
            f"Records of logins left after {BLOCKS * BLOCK + WARM_UP:,} launches",
            f"{records:,}",
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


def _records(folder: Path) -> int:
    database = Database(database_in(folder))
    with database.reading() as tx:
        found = tx.scalar(select(func.count()).select_from(once))
    database.close()
    return int(found or 0)


def _by_one_browser(tool: Tool, sender: Platform, cookies: dict[str, str]) -> list[Script]:
    return [_whole(Visit(cookies), tool, sender) for _ in range(BLOCK)]


def _whole(visit: Visit, tool: Tool, sender: Platform) -> Script:
    yield from visit.login(tool, sender)
    yield from visit.launch(tool, sender)
