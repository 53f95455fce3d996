"""Files and pushes are one source, and ids in them are each centre's own."""

from __future__ import annotations

import csv
import io

from lms_bridge.store.database import Database
from tests.fakes.lists import check_lists
from tests.functional.cli.conftest import Cli, registrations

_FIRST = "id;title\nS-1;Spectrum\nS-2;Security\n"
_SECOND = "id;title\nS-1;Waves\nS-2;Security\n"


def titles(cli: Cli, centre: str) -> list[str]:
    written = cli("export", "offerings", "-", "--centre", centre).stdout
    rows = csv.DictReader(io.StringIO(written.lstrip("\ufeff")))
    database = Database(cli.environment["LMS_BRIDGE_STORE__ADDRESS"])
    check_lists(database)
    database.close()
    return sorted(row["title"] for row in rows)


def test_either_changes_what_the_other_brought(alpha: Cli) -> None:
    first, second = alpha.file("first.csv", _FIRST), alpha.file("second.csv", _SECOND)
    alpha("import", "offerings", first, "--centre", "ALPHA", "--whole")
    pushed = alpha.json("schedule", "push", first, "--centre", "ALPHA", "--whole")
    assert [each["outcome"] for each in pushed["rows"]] == ["unchanged", "unchanged"]
    alpha("schedule", "push", second, "--centre", "ALPHA", "--whole")
    assert titles(alpha, "ALPHA") == ["Security", "Waves"]
    # the very file that was imported last is not taken for known: something changed since
    alpha("import", "offerings", first, "--centre", "ALPHA", "--whole")
    assert titles(alpha, "ALPHA") == ["Security", "Spectrum"]
    less = alpha.file("less.csv", "id;title\nS-1;Spectrum\n")
    alpha("schedule", "push", less, "--centre", "ALPHA", "--whole")
    assert titles(alpha, "ALPHA") == ["Spectrum"]
    alpha("import", "offerings", first, "--centre", "ALPHA", "--whole")
    assert titles(alpha, "ALPHA") == ["Security", "Spectrum"]


def test_what_a_file_had_wrong_is_good_once_it_is_pushed(alpha: Cli) -> None:
    bad = alpha.file("bad.csv", "id;title;level\nS-1;Spectrum;hard\n")
    alpha("import", "offerings", bad, "--centre", "ALPHA", code=1)
    assert any(line.startswith('INSERT INTO "quarantine"') for line in alpha.dump())
    alpha("schedule", "push", alpha.file("first.csv", _FIRST), "--centre", "ALPHA")
    assert not any(line.startswith('INSERT INTO "quarantine"') for line in alpha.dump())


def test_two_centres_import_the_same_ids(alpha: Cli) -> None:
    alpha(
        *("centre", "add", "BETA", "--name", "Sample Centre Beta", "--region", "africa"),
        *("--connector", "files", "--address", str(alpha.folder), "--token-env", "MOODLE_TOKEN"),
    )
    path = alpha.file("first.csv", _FIRST)
    for centre in ("ALPHA", "BETA"):
        alpha("import", "offerings", path, "--centre", centre)
        assert titles(alpha, centre) == ["Security", "Spectrum"]
    alpha("import", "offerings", alpha.file("second.csv", _SECOND), "--centre", "BETA")
    assert titles(alpha, "BETA") == ["Security", "Waves"]
    assert titles(alpha, "ALPHA") == ["Security", "Spectrum"]


def test_what_is_bad_at_one_centre_is_not_cured_by_another(alpha: Cli) -> None:
    alpha(
        *("centre", "add", "BETA", "--name", "Sample Centre Beta", "--region", "africa"),
        *("--connector", "files", "--address", str(alpha.folder), "--token-env", "MOODLE_TOKEN"),
    )

    def bad() -> list[str]:
        rows = [line for line in alpha.dump() if line.startswith('INSERT INTO "quarantine"')]
        return sorted(code for code in ("ALPHA", "BETA") for row in rows if f"'{code}'" in row)

    wrong = alpha.file("wrong.csv", "id;title;seats\nS-1;Spectrum;many\n")
    for centre in ("ALPHA", "BETA"):
        alpha("import", "offerings", wrong, "--centre", centre, code=1)
    assert bad() == ["ALPHA", "BETA"]
    alpha("import", "offerings", alpha.file("first.csv", _FIRST), "--centre", "ALPHA")
    assert bad() == ["BETA"]


def test_people_and_results_of_two_centres_with_the_same_ids(alpha: Cli) -> None:
    alpha(
        *("centre", "add", "BETA", "--name", "Sample Centre Beta", "--region", "africa"),
        *("--connector", "files", "--address", str(alpha.folder), "--token-env", "MOODLE_TOKEN"),
    )
    schedule = alpha.file("first.csv", _FIRST)
    for centre in ("ALPHA", "BETA"):
        alpha("import", "offerings", schedule, "--centre", centre)
    people = registrations(alpha, "S-1", "acad-1")
    result = alpha("import", "registrations", people, code=1)
    assert "Row 2 names an offering of several centres: name one with --centre." in result.stdout
    for centre in ("BETA", "ALPHA"):
        said = alpha("import", "registrations", people, "--centre", centre).stdout
        assert f"{centre}: done" in said
        assert "enrolments: 1 new" in said
    scores = alpha.file("results.csv", "offering,learner,score\nS-1,acad-1,55\n")
    alpha("import", "results", scores, "--centre", "BETA")
    exported = alpha("export", "results", "-", "--centre", "BETA").stdout
    assert exported.splitlines()[1].startswith("BETA-")
    assert len(alpha("export", "results", "-", "--centre", "ALPHA").stdout.splitlines()) == 1
    result = alpha("import", "offerings", schedule, code=1)
    assert "Row 2 has no centre" in result.stdout
