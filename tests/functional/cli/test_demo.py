"""`demo`, as a newcomer has it: a new folder, nobody's home, nothing set."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from lms_bridge.web.listening import free_port


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "lms_bridge", "demo", *arguments],
        cwd=folder,
        env={**kept, "HOME": str(home), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def _once(folder: Path, *arguments: str) -> str:
    process = _start(folder, "--once", *arguments)
    said, complained = process.communicate(timeout=60)
    assert process.returncode == 0, said + complained
    assert complained == ""
    assert list((folder / "home").iterdir()) == []
    assert {each.name for each in folder.iterdir()} == {"home", "data"}
    return said


def _enrolments(said: str) -> int:
    """The sum of the summary's column."""
    rows = re.findall(r"sample\) .*? (\d+) +(\d+) +(\d+) +(\d+) +\d+ +\w+$", said, re.MULTILINE)
    assert len(rows) == 7
    return sum(int(row[2]) for row in rows)


def _until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    pytest.fail(f"the demo ended without saying {words}")


def test_twice(tmp_path: Path) -> None:
    first = _once(tmp_path)
    for region in ("Africa", "Americas", "Arab States", "Asia-Pacific", "CIS", "Europe"):
        assert region in first
    assert first.count("sample)") >= 7
    assert "quarantined: hours is not a number." in first
    assert "is not matched: account" in first
    assert "changes carried out" in first
    assert "\x1b" not in first
    assert "@example.org" not in first
    assert "Done: the score 70 % is in the Academy's gradebook." in first

    second = _once(tmp_path)
    assert "Nothing to do: no record differs, neither here nor there." in second
    assert "\n0 calls over HTTP" not in second
    assert " new" not in second
    assert " sent" not in second
    assert "quarantined: hours is not a number." in second
    assert "Done: the score 70 % is in the Academy's gradebook." in second

    assert "changes carried out" in _once(tmp_path, "--fresh")


def test_one_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    process = _start(tmp_path, "--once")
    _until(process, "3. The nightly sync")
    process.kill()
    process.communicate()
    assert "changes carried out" in _once(tmp_path)
    assert "Nothing to do" in _once(tmp_path)


def test_a_database_without_its_sites_is_not_gone_on_with(tmp_path: Path) -> None:
    """Sites that are younger than the database would lack the accounts that it knows of."""
    first = _once(tmp_path)
    (tmp_path / "data/demo/ready").unlink()
    again = _once(tmp_path)
    assert _changes(again) == _changes(first)


def _changes(said: str) -> str:
    found = re.search(r"Done: (\d+) changes", said)
    assert found is not None
    return found[1]


def test_only_what_was_changed_is_carried_out(tmp_path: Path) -> None:
    before = _enrolments(_once(tmp_path))
    path = tmp_path / "data/demo/registrations.csv"
    rows = path.read_text(encoding="utf-8-sig").splitlines()
    ended = max(number for number, row in enumerate(rows) if ",enrolled," in row)
    rows[ended] = rows[ended].replace(",enrolled,", ",withdrawn,")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    said = _once(tmp_path)
    assert _enrolments(said) == before - 1
    assert "enrolments: 1 changed" in said
    assert "Done: 2 changes carried out." in said


def test_every_hop_of_the_launch_is_told_and_one_that_fails_too(tmp_path: Path) -> None:
    said = _once(tmp_path)
    learner = re.search(r"^Sample Learner 1(\d\d) is enrolled in", said, re.MULTILINE)
    assert learner is not None
    hops = said.partition("4. One click")[2]
    for site in ("Sample Academy: says who it is", "the bridge: says who it is", "tool: sends"):
        assert site in hops
    path = tmp_path / "data/demo/registrations.csv"
    rows = path.read_text(encoding="utf-8-sig").splitlines()
    path.write_text(
        "".join(
            (row.replace(",enrolled,", ",withdrawn,") if f"sample-1{learner[1]}" in row else row)
            + "\n"
            for row in rows
        ),
        encoding="utf-8",
    )
    process = _start(tmp_path, "--once")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The launch failed: the answer was 403" in said
    assert "LTI/place-withdrawn" in said


def test_the_pages_stay_up_until_told_to_stop(tmp_path: Path) -> None:
    port = free_port()
    process = _start(tmp_path, "--port", str(port))
    try:
        academy = _until(process, "and press Launch.").split()[1]
        assert "Who are you?" in requests.get(academy, timeout=10).text
        _until(process, f"http://127.0.0.1:{port}")
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).status_code == 200
        second = _start(tmp_path, "--once")
        assert "Another demo is running" in second.communicate(timeout=30)[1]
        assert second.returncode == 2
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        process.kill()
    assert "Nothing to do" in _once(tmp_path)
