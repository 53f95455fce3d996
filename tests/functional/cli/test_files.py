"""Files in and out."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

from lms_bridge.devtools.moodle.state import MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations

_SCHEDULE = """\
id;title;centre;starts at;ends at;time zone;hours;meetings
S-1;Spectrum;ALPHA;2026-03-02;2026-03-13;Africa/Nairobi;12.50;\
"2026-03-02 09:00/2026-03-02 12:30 R 4"
S-2;=Security;ALPHA;2026-04-02;2026-04-13;;;2026-04-02 09:00/2026-04-02 10:00
"""


def _rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_an_export_is_imported_again_without_a_change(alpha: Cli) -> None:
    alpha("sync")
    first = alpha("import", "offerings", alpha.file("schedule.csv", _SCHEDULE)).stdout
    assert "2 rows read." in first
    assert "offerings: 2 new" in first
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1", "acad-2"))
    alpha("import", "registrations", registrations(alpha, "S-1", "acad-3"))
    exports = {}
    for kind in ("offerings", "registrations", "results"):
        exports[kind] = str(alpha.folder / f"{kind}-out.csv")
        alpha("export", kind, exports[kind])
    assert [len(_rows(path)) for path in exports.values()] == [8, 3, 0]
    assert [row["id"] for row in _rows(exports["offerings"])][-2:] == ["S-1", "S-2"]
    for kind, path in exports.items():
        before = [line for line in alpha.dump() if _is_record(line)]
        document = alpha.json("import", kind, path)
        assert document["problems"] == []
        assert [centre["counts"] for centre in document["centres"]] in ([], [{}])
        assert [line for line in alpha.dump() if _is_record(line)] == before
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def _is_record(line: str) -> bool:
    tables = ("offering", "learner", "enrolment", "result", "quarantine", "course")
    return line.startswith(tuple(f'INSERT INTO "{table}"' for table in tables))


def test_local_times_and_meetings_are_in_the_rows_zone(alpha: Cli) -> None:
    alpha("import", "offerings", alpha.file("schedule.csv", _SCHEDULE))
    path = str(alpha.folder / "out.csv")
    alpha("export", "offerings", path, "--centre", "ALPHA")
    first, second = _rows(path)
    assert first["starts_at"] == "2026-03-01T21:00:00Z"
    assert first["meetings"] == "2026-03-02T06:00:00Z/2026-03-02T09:30:00Z R 4"
    assert second["starts_at"] == "2026-04-01T21:00:00Z"  # the centre's zone
    assert second["meetings"] == "2026-04-02T06:00:00Z/2026-04-02T07:00:00Z"
    assert second["title"] == "'=Security"


def test_bad_rows_are_reported_by_number_and_the_rest_is_imported(alpha: Cli) -> None:
    alpha("sync")
    code = codes_of(alpha)[0]
    path = registrations(alpha, code, "acad-1", "acad-2")
    with Path(path).open("a", encoding="utf-8") as stream:
        stream.write(f"{code},acad-3,not an address,G,F,enrolled\n")
        stream.write(f"{code},acad-4,acad-4@example.org,G,F,enrolled,more\n")
        stream.write("NOWHERE,acad-5,acad-5@example.org,G,F,enrolled\n")
        stream.write(f"{code},acad-1,acad-1@example.org,G,F,enrolled\n")
    result = alpha("import", "registrations", path, code=1)
    assert "Row 4: learner.email is not an e-mail address" in result.stdout
    assert "Row 5 has 7 cells" in result.stdout
    assert "Row 6 names an offering that does not exist." in result.stdout
    assert "Row 7 repeats the id of an earlier row." in result.stdout
    assert "enrolments: 1 quarantined, 2 new" in result.stdout
    assert "@example.org" not in result.stdout


def test_a_dry_run_changes_nothing(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _SCHEDULE)
    before = alpha.dump()
    result = alpha("import", "offerings", path, "--dry-run")
    assert "+ offering" in result.stdout
    assert "Nothing was changed" in result.stdout
    assert alpha.dump() == before


def test_a_whole_file_ends_what_it_leaves_out(alpha: Cli) -> None:
    path = alpha.file("schedule.csv", _SCHEDULE)
    alpha("import", "offerings", path, "--whole")
    shorter = alpha.file("shorter.csv", "\n".join(_SCHEDULE.splitlines()[:2]))
    assert "1 gone" not in alpha("import", "offerings", shorter).stdout
    assert "1 gone" in alpha("import", "offerings", shorter, "--whole").stdout


def test_a_whole_file_with_a_row_that_could_be_any_changes_nothing(alpha: Cli) -> None:
    alpha("import", "offerings", alpha.file("schedule.csv", _SCHEDULE), "--whole")
    before = alpha.dump()
    torn = alpha.file("torn.csv", "\n".join([*_SCHEDULE.splitlines()[:2], ";no id;ALPHA;;;;;"]))
    result = alpha("import", "offerings", torn, "--whole", code=1)
    assert "Nothing was changed" in result.stderr
    assert alpha.dump() == before


def test_an_unreadable_row_of_a_whole_file_removes_nothing(alpha: Cli) -> None:
    alpha("sync")
    code = codes_of(alpha)[0]
    alpha("import", "registrations", registrations(alpha, code, "acad-1", "acad-2"), "--whole")
    path = registrations(alpha, code, "acad-1")
    with Path(path).open("ab") as stream:
        stream.write(f"{code},acad-2,acad-2@example.org,G\0,F,enrolled\n".encode())
    result = alpha("import", "registrations", path, "--whole", code=1)
    assert "Row 3 holds a NUL character" in result.stdout
    assert "gone" not in result.stdout


def test_offerings_of_an_lms_are_not_changed_by_a_file(alpha: Cli) -> None:
    alpha("sync")
    code = codes_of(alpha)[0]
    path = alpha.file("schedule.csv", f"id,title,centre\n{code},Other title,ALPHA\n")
    assert "comes from the centre's LMS" in alpha("import", "offerings", path, code=1).stdout


def test_imported_results_reach_the_academy(alpha: Cli) -> None:
    alpha("sync")
    code = codes_of(alpha)[0]
    alpha("import", "registrations", registrations(alpha, code, "acad-1"))
    path = alpha.file("results.csv", f"offering,learner,score,completed\n{code},acad-1,0,true\n")
    assert "results: 1 new" in alpha("import", "results", path).stdout
    assert "1 sent" in alpha("sync", "--flow", "results").stdout


def test_an_import_that_waits_for_approval_promises_no_sending(alpha: Cli) -> None:
    many = "id,title\n" + "".join(f"I-{number},Imported\n" for number in range(10))
    imported = ("import", "offerings", "--centre", "ALPHA", "--whole")
    assert "The next sync sends the changes." in alpha(*imported, alpha.file("a.csv", many)).stdout
    few = alpha.file("b.csv", "id,title\nI-0,Imported\nI-11,New\n")
    said = alpha(*imported, few, code=3).stdout
    assert "hold show 1" in said
    assert "The next sync" not in said


def test_rows_of_other_centres_are_left_alone(alpha: Cli, address: str) -> None:
    add = ("centre", "add", "BETA", "--name", "Beta", "--region", "europe", "--address", address)
    alpha(*add, "--token-env", "MOODLE_TOKEN")
    rows = f"{_SCHEDULE}B-1;Beta's;BETA;;;;;\nX-1;Nobody's;GAMMA;;;;;\n"
    path = alpha.file("schedule.csv", rows)
    alone = alpha.json("import", "offerings", path, "--centre", "BETA", code=0)
    assert [centre["centre"] for centre in alone["centres"]] == ["BETA"]
    assert alone["elsewhere"] == 2
    both = alpha("import", "offerings", path, code=1).stdout
    assert "ALPHA: done" in both
    assert "Row 5 names a centre that does not exist." in both
    path = registrations(alpha, "S-1", "acad-1")
    result = alpha("import", "registrations", path, "--centre", "BETA")
    assert "Skipped 1 row of other centres." in result.stdout
    assert "acad-1" not in alpha("export", "registrations", "-").stdout


def test_a_missing_or_wrong_file_is_refused(alpha: Cli, site: MoodleState) -> None:
    assert "does not exist" in alpha("import", "results", "/nowhere/x.csv", code=2).stderr
    assert (
        "Allowed:" in alpha("import", "results", alpha.file("x.csv", "a,b\n1,2\n"), code=1).stderr
    )
    assert "does not exist" in alpha("export", "results", "/nowhere/x.csv", code=2).stderr
    unnamed = alpha.file("unnamed.csv", "id,title\nS-1,Spectrum\n")
    assert "--centre" in alpha("import", "offerings", unnamed, code=1).stdout
    alpha("import", "offerings", unnamed, "--centre", "ALPHA")


_UNWISE = """\
id;title;centre;status;modality;level;starts at;ends at;price;currency;seats;registration;location
S-1;Spectrum;ALPHA;published;Face-to-face;Advanced;2099-03-02;2099-03-13;150;USD;0;Application;
S-2;Security;ALPHA;planned;Blended;Advanced;2099-03-02;2099-03-13;;;;;Nairobi
S-3;Short;ALPHA;planned;Online instructor-led;Advanced;2099-03-02;2099-03-02;150;;;;
S-4;Wrong;ALPHA;planned;by post;Advanced;2099-03-02;2099-03-12;;;;;
"""


def test_an_import_shows_what_the_rules_say_as_a_push_does(alpha: Cli) -> None:
    path = alpha.file("unwise.csv", _UNWISE)
    pushed = alpha.json("schedule", "push", path, "--centre", "ALPHA", "--dry-run", code=1)
    said = [{"row": row["row"], **warning} for row in pushed["rows"] for warning in row["warnings"]]
    assert {each["code"] for each in said} == {
        "no-place",
        "no-payment-method",
        "no-seats",
        "published-unreviewed",
        "too-short",
        "no-currency",
    }
    for more in (("--dry-run",), ()):
        assert alpha.json("import", "offerings", path, *more, code=1)["warnings"] == said
    again = alpha("import", "offerings", path, code=1).stdout
    assert again.count("Row 5: modality") == 1  # as bad as the first time
    assert "Row 2: note: A course that people travel to has no place." in again
    assert "Row 3: note" not in again
    assert "Row 4: note: An instructor-led course lasts at least 2 days." in again
    assert "Row 5: note" not in again


def test_an_import_counts_a_note_of_many_rows(alpha: Cli) -> None:
    rows = "".join(f"S-{n};Course {n};ALPHA;planned;Online self-paced;\n" for n in range(600))
    path = alpha.file("many.csv", f"id;title;centre;status;modality;level\n{rows}")
    shown = alpha("import", "offerings", path).stdout
    assert shown.count("note: The level is missing.") == 20
    assert "note: 580 more rows: The level is missing." in shown


def test_an_import_says_which_results_are_below_the_pass_mark(alpha: Cli) -> None:
    alpha("sync")
    code = codes_of(alpha)[0]
    alpha("import", "registrations", registrations(alpha, code, "acad-1", "acad-2"))
    rows = f"offering,learner,score,completed\n{code},acad-1,40,true\n{code},acad-2,80,true\n"
    path = alpha.file("results.csv", rows)
    alpha.environment["LMS_BRIDGE_RULES__PASS_PERCENT"] = "50"
    found = alpha.json("import", "results", path)["warnings"]
    assert [(each["row"], each["code"]) for each in found] == [(2, "below-pass-mark")]
