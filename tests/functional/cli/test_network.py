"""Cycles, areas, memberships, regions and roll-overs by commands alone, with their audit."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lms_bridge.reference import read_reference
from lms_bridge.settings import config_folder
from tests.functional.cli.conftest import Cli

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)


@pytest.fixture
def network(cli: Cli) -> Cli:
    """Three centres, which are files: two in Africa, one in Europe."""
    for code, region in (("ONE", "africa"), ("TWO", "africa"), ("FAR", "europe")):
        cli(
            *("centre", "add", code, "--name", f"Sample {code}", "--region", region),
            *("--connector", "files", "--address", str(cli.folder)),
        )
    return cli


def audited(cli: Cli, kind: str) -> list[tuple[str, str, str]]:
    """(action, state, name) of every line about such things, the oldest first."""
    found = []
    for run in reversed(cli.json("run", "list", "--most", "100")):
        if run["flows"] == f"{kind}s":
            items = cli.json("run", "show", str(run["number"]))["items"]
            found += [(each["action"], each["state"], each["external_id"]) for each in items]
    return found


def place(cli: Cli, centre: str, cycle: str = "") -> dict[str, Any]:
    chosen = ["--cycle", cycle] if cycle else []
    found: list[dict[str, Any]] = cli.json("membership", "list", "--centre", centre, *chosen)
    return found[-1]


def test_config_fills_a_new_database_once(cli: Cli) -> None:
    assert [each["name"] for each in cli.json("cycle", "list")] == [
        "2015-2018",
        "2019-2022",
        "2023-",
    ]
    cli("cycle", "change", "2023-", "--ends", "2026-12-31")
    cli("db", "upgrade")
    assert cli.json("cycle", "show", "2023-")["ends_on"] == "2026-12-31"
    assert cli.json("cycle", "compare") == []


def test_a_later_change_of_config_is_shown_and_never_applied(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    for path in (config_folder() / "reference").iterdir():
        text = path.read_text(encoding="utf-8")
        text = text.replace('"Digital inclusion",', '"Digital inclusion", "Quantum networks",')
        if path.name == "priority_areas.toml":
            text += '\n[cycles."2031-"]\nstarts_on = 2031-01-01\n'
        (folder / path.name).write_text(text, encoding="utf-8")
    changed = read_reference(folder)
    monkeypatch.setattr("lms_bridge.network.cycle_commands.reference", lambda: changed)
    found = cli.json("cycle", "compare")
    assert [(each["cycle"], each["field"]) for each in found] == [("2023-", "areas"), ("2031-", "")]
    assert "cycle compare" in cli("cycle", "list").stderr
    assert "Quantum networks" not in cli.json("cycle", "show", "2023-")["areas"]
    cli("area", "add", "2023-", "Quantum networks")
    # What holds here by now is no difference, in whatever order.
    assert [each["cycle"] for each in cli.json("cycle", "compare")] == ["2031-"]


def test_a_cycle_with_days_of_another_is_refused_unless_allowed(cli: Cli) -> None:
    opened = ("cycle", "open", "2027-2030", "--starts", "2027-01-01", "--ends", "2030-12-31")
    refused = cli(*opened, code=2).stderr
    assert "2023- (2023-01-01 on)" in refused
    assert "--overlap" in refused
    assert [each["name"] for each in cli.json("cycle", "list")][-1] == "2023-"
    cli("cycle", "change", "2023-", "--ends", "2026-12-31")
    made = cli.json(
        *opened, "--areas-of", "2023-", "--programme", "Sample programme", "--most", "2"
    )
    assert made["areas"][0] == "Policy and regulation"
    assert made["most_per_centre"] == 2
    cli(*opened, code=2)
    cli("cycle", "open", "x/y", "--starts", "2040-01-01", code=2)
    cli("cycle", "open", "late", "--starts", "2040-01-02", "--ends", "2040-01-01", code=2)
    cli("cycle", "change", "2023-", "--ends", "2027-06-30", code=2)
    assert cli.json("cycle", "change", "2023-", "--ends", "2027-06-30", "--overlap")
    assert [(action, state) for action, state, _ in audited(cli, "cycle")] == [
        ("open", "refused"),
        ("change", "done"),
        ("open", "done"),
        *[("open", "refused")] * 3,
        ("change", "refused"),
        ("change", "done"),
    ]


def test_a_renamed_or_merged_area_keeps_its_former_names_and_memberships_follow(
    network: Cli,
) -> None:
    network(
        *("membership", "add", "ONE", "2023-", "--area", "cybersecurity"),
        *("--area", "Digital services"),
    )
    network("area", "rename", "2023-", "Cybersecurity", "Digital trust")
    assert place(network, "ONE")["priority_areas"] == ["Digital trust", "Digital services"]
    found = network.json(
        *("area", "merge", "2023-", "Digital services", "Digital inclusion"),
        *("--into", "digital trust"),
    )
    assert found["former"] == {
        "Cybersecurity": "Digital trust",
        "Digital services": "Digital trust",
        "Digital inclusion": "Digital trust",
    }
    assert place(network, "ONE")["priority_areas"] == ["Digital trust"]
    assert "before: Cybersecurity" in network("cycle", "show", "2023-").stdout
    network("area", "rename", "2023-", "Digital trust", "Spectrum management", code=2)
    network("area", "rename", "2023-", "Basket weaving", "Baskets", code=2)
    network("area", "merge", "2023-", "Digital trust", "--into", "Cybersecurity", code=2)
    network("area", "add", "2023-", "CYBERSECURITY", code=2)
    network("area", "add", "2023-", "a;b", code=2)
    # and back: the old name is the area's own again
    back = network.json("area", "rename", "2023-", "Digital trust", "Cybersecurity")
    assert set(back["former"].values()) == {"Cybersecurity"}
    assert "Digital trust" in back["former"]
    assert place(network, "ONE")["priority_areas"] == ["Cybersecurity"]
    assert ("rename", "refused", "2023-") in audited(network, "cycle")
    assert [each[:2] for each in audited(network, "membership")] == [
        ("add", "done"),
        *[("change", "done")] * 3,
    ]


def test_a_membership_ends_is_renewed_and_begins_again(network: Cli) -> None:
    network("cycle", "change", "2023-", "--ends", str(TODAY + 900 * DAY))
    network("membership", "add", "ONE", "2023-", "--area", "Cybersecurity", "--reason", "selected")
    assert place(network, "ONE") == {
        **place(network, "ONE"),
        "status": "active",
        "starts_on": "2023-01-01",
        "ends_on": str(TODAY + 900 * DAY),
    }
    network("membership", "add", "ONE", "2023-", code=2)
    network("membership", "end", "ONE", "--on", str(TODAY + 30 * DAY))
    network("membership", "renew", "ONE", "--ends", str(TODAY + 60 * DAY))
    assert place(network, "ONE")["ends_on"] == str(TODAY + 60 * DAY)
    network("membership", "end", "ONE", "--on", str(TODAY - DAY), "--reason", "left")
    assert place(network, "ONE")["status"] == "ended"
    network("membership", "end", "ONE", code=2)
    network("membership", "end", "ONE", "--on", "2022-01-01", code=2)
    network("membership", "renew", "ONE", "--starts", str(TODAY + 10 * DAY))
    both = network.json("membership", "list", "--centre", "ONE")
    assert [each["status"] for each in both] == ["ended", "upcoming"]
    assert both[1]["priority_areas"] == ["Cybersecurity"]
    network("membership", "remove", str(both[0]["number"]), code=2)
    network("membership", "remove", str(both[1]["number"]))
    assert len(network.json("membership", "list", "--centre", "ONE")) == 1
    for bad in (
        ("membership", "add", "NOPE", "2023-"),
        ("membership", "add", "TWO", "1999"),
        ("membership", "add", "TWO", "2023-", "--ends", "2099-01-01"),
        ("membership", "add", "TWO", "2023-", "--starts", "2022-12-31"),
        ("membership", "add", "TWO", "2023-", "--starts", "2024-02-01", "--ends", "2024-01-01"),
        ("membership", "add", "TWO", "2023-", "--starts", "2024-02-30"),
        ("membership", "end", "TWO"),
    ):
        network(*bad, code=2)
    assert network.json("membership", "list", "--centre", "TWO") == []


def test_a_cycle_ends_its_memberships_and_leaves_none_without_a_day(network: Cli) -> None:
    network("membership", "add", "ONE", "2023-")
    network("membership", "add", "TWO", "2023-", "--starts", "2025-06-01")
    network("cycle", "change", "2023-", "--ends", "2025-12-31")
    assert place(network, "ONE")["ends_on"] == "2025-12-31"
    assert "TWO" in network("cycle", "change", "2023-", "--ends", "2025-05-31", code=2).stderr
    assert place(network, "TWO")["ends_on"] == "2025-12-31"
    renewed = network("membership", "renew", "ONE", code=2).stderr
    assert "roll-over" in renewed


def test_a_region_rolls_over_by_an_approved_plan(network: Cli) -> None:
    network(
        "centre",
        "add",
        *["LATE", "--region", "africa", "--connector", "files", "--name", "L"],
        *("--address", str(network.folder)),
    )
    network(
        "membership",
        "add",
        "ONE",
        "2023-",
        "--area",
        "Cybersecurity",
        "--area",
        "Spectrum management",
    )
    network(
        "membership", "add", "TWO", "2023-", "--area", "Digital services", "--ends", "2025-03-31"
    )
    network("membership", "add", "LATE", "2023-", "--area", "Cybersecurity")
    network("membership", "add", "FAR", "2023-")
    network("cycle", "change", "2023-", "--ends", "2026-12-31")
    network(
        "cycle",
        "open",
        "2027-",
        "--starts",
        "2027-01-01",
        "--area",
        "Cyber security",
        "--area",
        "Spectrum management",
    )
    network("area", "rename", "2027-", "Cyber security", "Cybersecurity")
    planned = network.json("roll-over", "plan", "africa", "2023-", "2027-", "--leave", "LATE")
    lines = {each["centre"]: each for each in planned["lines"]}
    assert {code: each["action"] for code, each in lines.items()} == {
        "ONE": "take",
        "TWO": "leave",
        "LATE": "leave",
    }
    assert lines["ONE"]["old_ends_on"] == "2026-12-31"
    assert "2025-03-31" in lines["TWO"]["why"]
    assert len(network.json("membership", "list", "--cycle", "2027-")) == 0
    # the network changes: the plan is no longer what it was
    network(
        "membership", "areas", "ONE", "--area", "Spectrum management", "--area", "Digital services"
    )
    number = str(planned["number"])
    assert "new plan" in network("roll-over", "approve", number, code=2).stderr
    assert network.json("membership", "list", "--cycle", "2027-") == []
    again = network.json(
        "roll-over",
        "plan",
        "africa",
        "2023-",
        "2027-",
        "--areas",
        "LATE=Cybersecurity; Cyber security",
    )
    lines = {each["centre"]: each for each in again["lines"]}
    assert lines["ONE"]["dropped"] == ["Digital services"]
    assert lines["LATE"]["areas_after"] == ["Cybersecurity"]
    assert "Digital services" in network("roll-over", "show", str(again["number"])).stdout
    network("roll-over", "approve", str(again["number"]))
    taken = network.json("membership", "list", "--cycle", "2027-")
    assert {each["centre"]: each["starts_on"] for each in taken} == {
        "LATE": "2027-01-01",
        "ONE": "2027-01-01",
    }
    network("roll-over", "approve", str(again["number"]), code=2)
    third = network.json("roll-over", "plan", "africa", "2023-", "2027-")
    assert {each["centre"]: each["action"] for each in third["lines"]} == {
        "LATE": "stays",
        "ONE": "stays",
        "TWO": "leave",
    }
    network("roll-over", "reject", str(third["number"]))
    assert [each["status"] for each in network.json("roll-over", "list")] == [
        "outdated",
        "approved",
        "rejected",
    ]
    for bad in (
        ("roll-over", "plan", "atlantis", "2023-", "2027-"),
        ("roll-over", "plan", "africa", "2027-", "2023-"),
        ("roll-over", "plan", "africa", "2023-", "2027-", "--leave", "FAR"),
        ("roll-over", "plan", "africa", "2023-", "2027-", "--areas", "ONE"),
        ("roll-over", "show", "99"),
    ):
        network(*bad, code=2)
    assert ("approve", "done", "africa: 2023- to 2027-") in audited(network, "roll_over")


def test_an_open_cycle_is_left_the_day_before_the_next_one(network: Cli) -> None:
    """Of two cycles that overlap, the old membership ends where the new one begins."""
    network("membership", "add", "ONE", "2023-")
    network("cycle", "open", "2027-", "--starts", "2027-01-01", "--overlap")
    planned = network.json("roll-over", "plan", "africa", "2023-", "2027-")
    network("roll-over", "approve", str(planned["number"]))
    assert place(network, "ONE", "2023-")["ends_on"] == "2026-12-31"
    assert place(network, "ONE", "2027-")["starts_on"] == "2027-01-01"


def test_a_move_to_another_region_is_dated_and_audited(network: Cli) -> None:
    network("centre", "change", "ONE", "--region", "europe", "--moved-on", "2026-07-01")
    assert network.json("centre", "show", "ONE")["region"] == "europe"
    assert audited(network, "centre") == [("move", "done", "ONE")]
    network("centre", "change", "ONE", "--region", "atlantis", code=2)
    network("centre", "change", "ONE", "--region", "cis", "--moved-on", "1600-01-01", code=2)
    assert network.json("centre", "show", "ONE")["region"] == "europe"


def test_a_profile_is_public_and_its_addresses_are_guarded(network: Cli) -> None:
    network(
        *("centre", "profile", "ONE", "--name-in", "fr=Centre un", "--name-in", "ar=المركز"),
        *("--country", "ke", "--city", "Nairobi", "--site", "https://one.example/"),
        *("--contact", "office@one.example", "--logo", "https://one.example/logo.svg"),
    )
    told = network.json("centre", "profile", "ONE", "--name-in", "fr=")
    assert told["names"] == {"ar": "المركز"}
    assert (told["country"], told["city"]) == ("KE", "Nairobi")
    assert network.json("centre", "show", "ONE")["logo"] == "https://one.example/logo.svg"
    for bad in (
        ("--logo", "http://one.example/logo.svg"),
        ("--logo", "https://127.0.0.1/logo.svg"),
        ("--logo", "https://localhost/logo.svg"),
        ("--site", "https://user:word@one.example/"),
        ("--site", "javascript:alert(1)"),
        ("--country", "XX1"),
        ("--name-in", "Klingonian=Name"),
        ("--name-in", "nothing"),
    ):
        network("centre", "profile", "ONE", *bad, code=2)
    assert network.json("centre", "show", "ONE")["logo"] == "https://one.example/logo.svg"
    assert {each[:2] for each in audited(network, "centre")} == {
        ("profile", "done"),
        ("profile", "refused"),
    }


def test_days_are_read_in_one_form(network: Cli) -> None:
    said = network("cycle", "open", "2040", "--starts", "01/02/2040", code=2).stderr
    assert "2026-03-31" in said
    assert date.fromisoformat(network.json("cycle", "show", "2023-")["starts_on"])


def test_what_has_begun_runs_on_and_what_starts_after_the_membership_is_postponed(
    network: Cli,
) -> None:
    rows = [
        {"id": each, "title": f"Sample {each}", "modality": "blended", "level": "advanced"}
        | {"starts_at": f"{TODAY + starts * DAY}", "ends_at": f"{TODAY + (starts + 20) * DAY}"}
        for each, starts in (("begun", -3), ("last", 5), ("coming", 6))
    ]
    network("membership", "add", "ONE", "2023-")
    network("schedule", "push", network.file("rows.json", json.dumps(rows)), "--centre", "ONE")
    ended = network.json("membership", "end", "ONE", "--on", str(TODAY + 5 * DAY))
    (coming,) = ended["offerings"]
    network("sync", "--centre", "ONE", code=1)
    assert statuses(network) == {"begun": "running", "last": "published", "coming": "postponed"}
    history = network.json("offering", "show", coming)["history"]
    assert [(each["action"], each["by"]) for each in history] == [("postpone", "")]
    assert "membership" in history[0]["reason"]
    network("offering", "publish", coming, code=2)
    network("membership", "renew", "ONE")
    network("offering", "publish", coming)
    assert statuses(network)["coming"] == "published"


def test_what_is_read_for_a_day_without_a_membership_is_postponed_before_it_is_sent(
    network: Cli,
) -> None:
    network("membership", "add", "ONE", "2023-")
    network("membership", "end", "ONE", "--on", str(TODAY))
    row = f"1;Sample coming;Blended;Advanced;{TODAY + 5 * DAY};{TODAY + 9 * DAY};published\n"
    head = "id;title;modality;level;starts at;ends at;status\n"
    network.file("offerings.csv", head + row)
    network.file("results.csv", "offering,learner,score\n")
    network("sync", "--centre", "ONE")
    assert statuses(network) == {"coming": "postponed"}


def statuses(cli: Cli) -> dict[str, str]:
    """{the last word of an offering's title: its status}"""
    text = cli("export", "offerings", "-").stdout.lstrip("\ufeff")
    rows = csv.DictReader(text.splitlines())
    return {each["title"].rpartition(" ")[2]: each["status"] for each in rows}
