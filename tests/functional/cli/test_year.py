"""The walk through one year of a region (benchmarks/year.sh), command by command."""

from __future__ import annotations

import csv
import os
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lms_bridge.store import cycles
from lms_bridge.store.database import Database
from lms_bridge.store.network_tables import cycle, priority_area
from tests.functional.cli.conftest import Cli

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "year.sh"
NOW = datetime.now(UTC)


def expanded(text: str, address: str) -> str:
    text = re.sub(
        r"\$\(day (-?\d+)\)",
        lambda found: f"{NOW + timedelta(days=int(found[1])):%Y-%m-%d}",
        text,
    )
    return text.replace("$(date -u +%Y)", str(NOW.year)).replace("$MOODLE", address)


def steps(address: str) -> Iterator[tuple[str, str]]:
    """(file to write, its text) or (empty, a command)"""
    lines = iter(expanded(SCRIPT.read_text(encoding="utf-8"), address).splitlines())
    for line in lines:
        written = re.fullmatch(r"cat > (\S+) <<END", line)
        if written:
            yield written[1], "\n".join(iter(lambda: next(lines), "END")) + "\n"
        elif line.startswith(("lms-bridge ", "LMS_BRIDGE_")):
            yield "", line


def test_a_year_of_a_region_goes_by(
    cli: Cli, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database(cli.environment["LMS_BRIDGE_STORE__ADDRESS"])
    with database.writing() as tx:  # the script begins with an empty database
        tx.execute(priority_area.delete())
        tx.execute(cycle.delete())
        assert cycles.all_cycles(tx) == {}
    database.close()
    before = dict(cli.environment)
    for file, text in steps(address):
        if file:
            Path(file).write_text(text, encoding="utf-8")
            continue
        words = shlex.split(text)
        given = [word for word in words if word.startswith("LMS_BRIDGE_")]
        cli.environment = before | dict(word.split("=", 1) for word in given)
        cli(*words[len(given) + 1 :])
    assert os.getcwd() == str(tmp_path)
    rows = list(csv.DictReader(Path("figures.csv").read_text(encoding="utf-8-sig").splitlines()))
    beta = next(each for each in rows if each["centre"] == "BETA")
    assert {
        name: beta[name]
        for name in (
            *("planned", "given", "cancelled", "participants", "completed", "certificates"),
            *("countries", "outlines", "reports_due", "reports_in_time", "reports_missing"),
        )
    } == {
        "planned": "4",
        "given": "3",
        "cancelled": "1",
        "participants": "4",
        "completed": "3",
        "certificates": "2",
        "countries": "3",
        "outlines": "4",
        "reports_due": "2",
        "reports_in_time": "1",
        "reports_missing": "1",
    }
    assert int(next(each for each in rows if each["row"] == "total")["planned"]) >= 4
    taken = cli.json("membership", "list", "--cycle", "2027-2030")
    assert {each["centre"]: each["priority_areas"] for each in taken} == {
        "ALPHA": ["Cybersecurity"],
        "BETA": ["Digital public services", "Cybersecurity"],
    }
    said = cli.everything_said()
    assert "example.org" not in said
