"""The first run of a centre with many enrolments: what has to be there before, and the run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.answers import write_answers
from benchmarks.bridge import READ, Sources, measured_bridge
from benchmarks.night import peak_memory
from benchmarks.world import World, centre_of
from lms_bridge.domain.model import Flow
from lms_bridge.store import centres


def before_import(address: str, folder: str, world: dict[str, int]) -> None:
    """The centre, with its offerings and nobody in them."""
    write_answers(Path(folder), World(**world), 0)
    bridge = measured_bridge(address, Sources(Path(folder), READ, empty=True))
    with bridge.database.writing() as tx:
        centres.add(tx, centre_of(0), b"")
    (report,) = bridge.run_all([bridge.request(centre_of(0), (Flow.OFFERINGS,))])
    if report.status != "done":
        raise RuntimeError(f"{report.status} {report.errors}")
    if not bridge.database.embedded:
        with bridge.database.writing() as tx:
            tx.execute(text("ANALYZE"))  # as its autovacuum would have
    bridge.close()


def import_all(address: str, folder: str) -> dict[str, Any]:
    """The first run of the enrolments."""
    bridge = measured_bridge(address, Sources(Path(folder), READ, empty=True))
    bridge.database.engine.connect().close()
    before, began = peak_memory(), time.perf_counter()
    (report,) = bridge.run_all([bridge.request(centre_of(0), (Flow.ENROLMENTS,))])
    seconds = time.perf_counter() - began
    if report.status != "done":
        raise RuntimeError(f"{report.status} {report.counts} {report.errors}")
    bridge.close()
    made = report.counts.get("enrolment.create.acknowledged", 0)
    return {"seconds": seconds, "added_mb": peak_memory() - before, "enrolments": made}
