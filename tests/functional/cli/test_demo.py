"""`demo`, as a newcomer has it: a new folder, nobody's home, nothing set."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.functional.cli.conftest import Cli


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    kept = {
        name: os.environ[name]
        for name in ("PATH", "PYTHONPATH", "LANG", "TMPDIR")
        if name in os.environ
    }
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
    said, complained = process.communicate(timeout=300)
    assert process.returncode == 0, said + complained
    assert complained == ""
    assert list((folder / "home").iterdir()) == []
    assert {each.name for each in folder.iterdir()} == {"home", "data"}
    return said


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder after one whole run of the demo, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, _once(folder)


@pytest.fixture
def first(whole_run: tuple[Path, str], tmp_path: Path) -> str:
    """What the first run printed; the test has a copy of its folder."""
    folder, said = whole_run
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
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


def test_the_demo_has_nothing_to_do_the_second_time(tmp_path: Path, first: str) -> None:
    for region in ("Africa", "Americas", "Arab States", "Asia-Pacific", "CIS", "Europe"):
        assert region in first
    assert first.count("sample)") >= 7
    assert "quarantined: hours is not a number such as" in first
    assert "is not matched: account" in first
    assert "3 sample outlines wait for a review" in first
    assert "changes were made" in first
    assert "\x1b" not in first
    assert "@example.org" not in first
    assert "Done: the score 70 % is in the Academy's gradebook." in first

    second = _once(tmp_path)
    assert "Nothing was changed." in second
    assert "\n0 HTTP calls" not in second
    assert " new" not in second
    assert not re.search(r"\d sent", second)
    assert "quarantined: hours is not a number such as" in second
    assert "Done: the score 70 % is in the Academy's gradebook." in second


def test_a_demo_starts_over_if_it_is_asked_to_and_after_an_interruption(
    tmp_path: Path, first: str
) -> None:
    """Its database then knows of accounts that the sites do not have: they are kept at the end."""
    process = _start(tmp_path, "--once", "--fresh")
    _until(process, " new, ")
    _until(process, "3. The nightly sync")
    process.kill()
    process.communicate()
    assert _changes(_once(tmp_path)) == _changes(first)


@pytest.mark.usefixtures("first")
def test_a_demo_of_another_version_starts_over(tmp_path: Path) -> None:
    (tmp_path / "data/demo/ready").write_text("0000", encoding="utf-8")
    process = _start(tmp_path, "--once")
    _until(process, "data/demo is of another version of the bridge. The demo starts over.")
    _until(process, " new, ")
    process.kill()
    process.communicate()


def _changes(said: str) -> str:
    found = re.search(r"Done: (\d+) changes", said)
    assert found is not None
    return found[1]


def test_only_a_changed_registration_is_carried_out_and_its_launch_fails(
    tmp_path: Path, first: str
) -> None:
    learner = re.search(r"^Sample Learner 1(\d\d) is enrolled in", first, re.MULTILINE)
    assert learner is not None
    hops = first.partition("4. One launch")[2]
    for site in ("Sample Academy: answers with", "the bridge: answers with", "tool: sends"):
        assert site in hops
    path = tmp_path / "data/demo/registrations.csv"
    rows = path.read_text(encoding="utf-8-sig").splitlines()
    (changed,) = (number for number, row in enumerate(rows) if f",sample-1{learner[1]}," in row)
    rows[changed] = rows[changed].replace(",enrolled,", ",withdrawn,")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    process = _start(tmp_path, "--once")
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert _enrolments(said) == _enrolments(first) - 1
    assert "enrolments: 1 changed" in said
    assert "Done: 2 changes were made." in said
    assert "The launch failed: the answer was 403" in said
    assert "LTI/place-withdrawn" in said


def _own_page(address: str, role: str) -> requests.Response:
    """The page on which somebody begins after one click on the demo's page."""
    with requests.Session() as browser:
        page = browser.get(f"{address}/demo", timeout=300).text
        assert f'action="/demo/{role}"' in page
        elsewhere = {"Origin": "https://elsewhere.example.org"}
        refused = browser.post(f"{address}/demo/{role}", headers=elsewhere, timeout=300)
        assert refused.status_code == 403
        assert not browser.cookies
        return browser.post(f"{address}/demo/{role}", headers={"Origin": address}, timeout=300)


def _another_link(folder: Path, patch: pytest.MonkeyPatch) -> str:
    patch.chdir(folder)
    command = Cli({**os.environ, "LMS_BRIDGE_CONFIG": "data/demo/settings.toml"}, folder)
    return command("operator", "link").stdout.split()[0]


@pytest.mark.usefixtures("first")
def test_the_pages_stay_up_until_the_demo_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = _start(tmp_path, "--port", "0")
    try:
        last = _until(process, "Open http")
        demo = last.split()[1]
        bridge = demo.removesuffix("/demo")
        text = requests.get(demo, timeout=300).text
        academy = re.search(r'at <a href="(http://[^"]+)"', text)
        assert academy is not None
        assert "Who are you?" in requests.get(academy[1], timeout=300).text
        pages = {
            "learner": "/my",
            "coordinator": "/my-centre/AFRALTI",
            "reviewer": "",
            "focal-point": "",
            "operator": "/operations",
        }
        for role, path in pages.items():
            page = _own_page(bridge, role)
            assert page.status_code == 200, role
            assert page.url.startswith(f"{bridge}{path}"), role
            assert f"Sample {role.replace('-', ' ')}" in page.text
        assert _own_page(bridge, "learner").text.count("<h3") == 4
        assert _another_link(tmp_path, monkeypatch).startswith(f"{bridge}/sign-in/")
        assert requests.get(bridge, timeout=300).status_code == 200
        second = _start(tmp_path, "--once")
        assert "Another demo is running" in second.communicate(timeout=300)[1]
        assert second.returncode == 2
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.read() == ""  # the line with the address was the last one
        process.communicate(timeout=300)
        assert process.returncode == 0
    finally:
        process.kill()
    assert "Nothing was changed." in _once(tmp_path)
