"""What was measured: rows of a table, printed and kept as JSON."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"
FAILED = "could not be measured"
_LIBRARIES = ("lms-bridge", "sqlalchemy", "orjson", "requests", "marshmallow", "psycopg")


@dataclass(frozen=True, slots=True)
class Row:
    """``ok`` is None where there is no target. ``raw`` holds the single measurements."""

    what: str
    measured: str
    target: str = ""
    ok: bool | None = None
    raw: dict[str, Any] = field(default_factory=dict)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "processor": _processor(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "load": [round(load, 1) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return "not installed"


def show(rows: Sequence[Row]) -> None:
    table = Table("What", "Measured", "Target", "OK", title="lms_bridge benchmarks")
    for row in rows:
        ok = "" if row.ok is None else "yes" if row.ok else "NO"
        table.add_row(row.what, row.measured, row.target, ok)
    Console(width=150).print(table)


def keep(rows: Sequence[Row], facts: dict[str, Any], seconds: float) -> None:
    LATEST.parent.mkdir(exist_ok=True)
    result = {"machine": facts, "seconds": round(seconds), "rows": [asdict(row) for row in rows]}
    LATEST.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
