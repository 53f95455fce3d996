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


def test_a_file_and_a_push_change_each_others_offerings(alpha: Cli) -> None:
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


def test_a_push_cures_the_bad_row_of_a_file(alpha: Cli) -> None:
    bad = alpha.file("bad.csv", "id;title;level\nS-1;Spectrum;hard\n")
    alpha("import", "offerings", bad, "--centre", "ALPHA", code=1)
    assert any(line.startswith('INSERT INTO "quarantine"') for line in alpha.dump())
    alpha("schedule", "push", alpha.file("first.csv", _FIRST), "--centre", "ALPHA")
    assert not any(line.startswith('INSERT INTO "quarantine"') for line in alpha.dump())


def test_two_centres_may_import_the_same_ids(alpha: Cli) -> None:
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


def test_a_push_of_another_centre_does_not_cure_a_bad_row(alpha: Cli) -> None:
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


def test_people_and_results_of_two_centres_with_the_same_ids_stay_apart(alpha: Cli) -> None:
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


def test_results_in_the_folder_of_a_centre_reach_their_learner(alpha: Cli) -> None:
    """The folder has the result before anybody is registered, and its file never changes."""
    folder = alpha.folder / "exchange"
    folder.mkdir()
    (folder / "offerings.csv").write_text(_RUNNING)
    (folder / "results.csv").write_text("offering,learner,score\nT-1,acad-1,66\nT-1,acad-9,1\n")
    alpha(
        *("centre", "add", "BETA", "--name", "Sample Centre Beta", "--region", "africa"),
        *("--connector", "files", "--address", str(folder)),  # and no token
    )
    assert "2 results in quarantine" in alpha("sync", "--centre", "BETA", code=1).stdout
    alpha("import", "registrations", registrations(alpha, "T-1", "acad-1"))
    said = alpha("sync", "--centre", "BETA", code=1).stdout
    assert "1 result in quarantine" in said
    assert "The learner is not enrolled in this offering." in said

    def exported() -> list[list[str]]:
        rows = alpha("export", "results", "-", "--centre", "BETA").stdout.splitlines()
        return [line.split(",")[1:3] for line in rows[1:]]

    assert exported() == [["acad-1", "66"]]
    alpha("sync", "--centre", "BETA", code=1)
    alpha("import", "registrations", registrations(alpha, "T-1", "acad-1", "acad-9"))
    assert "quarantine" not in alpha("sync", "--centre", "BETA").stdout
    assert exported() == [["acad-1", "66"], ["acad-9", "1"]]


def test_result_of_an_unknown_offering_is_told_until_its_row_is_corrected(alpha: Cli) -> None:
    folder = alpha.folder / "exchange"
    folder.mkdir()
    (folder / "offerings.csv").write_text(_RUNNING)
    (folder / "results.csv").write_text("offering,learner,score\nT-l,acad-1,66\n")
    alpha(
        *("centre", "add", "BETA", "--name", "Sample Centre Beta", "--region", "africa"),
        *("--connector", "files", "--address", str(folder)),
    )
    said = alpha("sync", "--centre", "BETA", code=1).stdout
    assert "Row 2 names an offering that does not exist." in said
    (folder / "results.csv").write_text("offering,learner,score\n")
    assert "quarantine" not in alpha("sync", "--centre", "BETA").stdout


def test_id_of_two_people_in_one_file_stands_for_the_first(alpha: Cli) -> None:
    alpha("import", "offerings", alpha.file("first.csv", _FIRST), "--centre", "ALPHA")
    header = "offering,learner.id,learner.email,learner.given_name,status\n"
    rows = "S-1,NULL,ana@example.org,Ana,enrolled\nS-2,NULL,ben@example.org,Ben,enrolled\n"
    said = alpha("import", "registrations", alpha.file("people.csv", header + rows), code=1).stdout
    assert "Row 3 gives its learner another e-mail address than row 2" in said
    [exported] = alpha("export", "registrations", "-", "--centre", "ALPHA").stdout.splitlines()[1:]
    assert "ana@example.org" in exported


_RUNNING = "id,title,starts_at\nT-1,Open course,2026-01-01\n"


def test_each_result_that_cannot_be_used_is_reported(alpha: Cli) -> None:
    alpha("import", "offerings", alpha.file("first.csv", _FIRST), "--centre", "ALPHA")
    alpha("import", "registrations", registrations(alpha, "S-1", "acad-1"))
    rows = "S-1,acad-1,55\nS-1,acad-9,55\nS-2,acad-1,55\nS-9,acad-1,55\nS-1,acad-1,56\n"
    scores = alpha.file("results.csv", f"offering,learner,score\n{rows}")
    said = alpha("import", "results", scores, code=1).stdout
    assert "Row 3: The learner is not enrolled in this offering." in said
    assert "Row 4: The learner is not enrolled in this offering." in said
    assert "Row 5 names an offering that does not exist." in said
    assert "Row 6 repeats the id of an earlier row." in said
    assert "Row 2" not in said


def test_score_beyond_its_scale_is_refused(alpha: Cli) -> None:
    alpha("import", "offerings", alpha.file("first.csv", _FIRST), "--centre", "ALPHA")
    alpha("import", "registrations", registrations(alpha, "S-1", "acad-1"))
    for score, scale in (("120", ""), ("-5", ""), ("21", "20")):
        scores = alpha.file(
            "results.csv", f"offering,learner,score,scale_max\nS-1,acad-1,{score},{scale}\n"
        )
        said = alpha("import", "results", scores, code=1).stdout
        assert f"The score is not on the scale from 0 to {scale or 100}." in said


def test_a_workbook_is_refused_with_what_to_do(alpha: Cli) -> None:
    path = alpha.file("plan.xlsx", "PK")
    result = alpha("schedule", "push", path, "--centre", "ALPHA", code=2)
    assert "workbook" in result.stderr
    assert "CSV UTF-8" in result.stderr
