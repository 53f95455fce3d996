"""The walk through one year of a region (benchmarks/year.sh), run as the script that it is."""

from __future__ import annotations

import csv
import json
import os
import selectors
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lms_bridge.store import cycles
from lms_bridge.store.database import Database
from lms_bridge.store.network_tables import cycle, priority_area
from tests.functional.cli.conftest import Cli

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "year.sh"
COMMAND = """#!{python} -SE
import json, os, socket, sys
if sys.argv[1] == "serve":
    os.execv(sys.executable, [sys.executable, "-m", "lms_bridge", "serve"])
with socket.create_connection(("127.0.0.1", {port})) as test, test.makefile("rw") as both:
    print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]), file=both, flush=True)
    print(json.loads(both.readline()), end="")
"""


def run_script(cli: Cli, address: str, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Runs the script with `sh`, and its commands in this process: fifty new processes take
    minutes. Returns the folder that it worked in."""
    command = folder / "bin" / "lms-bridge"
    command.parent.mkdir()
    given = {"MOODLE": address, "MOODLE_TOKEN": "given", "TMPDIR": str(folder)}
    given |= {"PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    with socket.create_server(("127.0.0.1", 0)) as listening, selectors.DefaultSelector() as ready:
        ready.register(listening, selectors.EVENT_READ)
        port = listening.getsockname()[1]
        command.write_text(COMMAND.format(python=sys.executable, port=port), encoding="utf-8")
        command.chmod(0o755)
        script = subprocess.Popen(
            ["sh", str(SCRIPT)], env={**os.environ, **cli.environment, **given, "PATH": path}
        )
        try:
            while script.poll() is None:
                if ready.select(0.1):
                    _carry_out(cli, listening, patch)
        finally:
            script.kill()
            assert script.wait() == 0
    return Path.cwd()


def _carry_out(cli: Cli, listening: socket.socket, patch: pytest.MonkeyPatch) -> None:
    with listening.accept()[0] as asked, asked.makefile("rw") as both:
        words, environment, folder = json.loads(both.readline())
        patch.chdir(folder)
        ours = {key: value for key, value in environment.items() if key.startswith("LMS_BRIDGE_")}
        cli.environment = ours
        print(json.dumps(cli(*words).stdout), file=both, flush=True)


def test_a_year_of_a_region_goes_by(
    cli: Cli, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(cli.environment["LMS_BRIDGE_STORE__ADDRESS"])
    with database.writing() as tx:  # the script begins with an empty database
        tx.execute(priority_area.delete())
        tx.execute(cycle.delete())
        assert cycles.all_cycles(tx) == {}
    database.close()
    folder = run_script(cli, address, tmp_path, monkeypatch)
    rows = [
        row
        for file in folder.glob("figures-*.csv")
        for row in csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
    ]
    beta: Counter[str] = Counter()
    for each in rows:  # of one year, or of two around a New Year
        if each["centre"] == "BETA":
            beta.update({name: int(text) for name, text in each.items() if text.isdecimal()})
    assert {
        name: beta[name]
        for name in (
            *("planned", "given", "cancelled", "participants", "completed", "certificates"),
            *("countries", "outlines", "reports_due", "reports_in_time", "reports_missing"),
        )
    } == {
        "planned": 4,
        "given": 3,
        "cancelled": 1,
        "participants": 4,
        "completed": 3,
        "certificates": 2,
        "countries": 3,
        "outlines": 4,
        "reports_due": 2,
        "reports_in_time": 1,
        "reports_missing": 1,
    }
    chosen = [each for each in rows if each["centre"] == "GAMMA"]
    counted = ("given_online_self_paced", "participants", "completed", "certificates")
    assert [sum(int(each[name]) for each in chosen) for name in counted] == [1, 1, 1, 1]
    assert sum(int(each["planned"]) for each in rows if each["row"] == "total") >= 4
    following = cli.json("cycle", "list")[-1]["name"]
    taken = cli.json("membership", "list", "--cycle", following)
    assert {each["centre"]: each["priority_areas"] for each in taken} == {
        "ALPHA": ["Cybersecurity"],
        "BETA": ["Digital public services", "Cybersecurity"],
        "GAMMA": ["Cybersecurity"],
    }
    said = cli.everything_said()
    assert "example.org" not in said
