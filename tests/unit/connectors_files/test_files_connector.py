"""The connector `files`: settings, files that change while being read, many writers, bad rows."""

import io
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lms_bridge.connectors.files import connector
from lms_bridge.connectors.files.sides import FilesAcademy, FilesCentre, FilesCentreWithResults
from lms_bridge.domain.errors import IncompleteRead, NotUnderstood, SettingsInvalid, Unreachable
from lms_bridge.domain.ports import (
    Action,
    Page,
    Pages,
    SystemAccess,
    Verdict,
    WriteRequest,
    Written,
)
from lms_bridge.schemas.csv.reader import read_offerings


def centre(folder: Path, **options: object) -> Any:
    access = SystemAccess("centre:SAMPLE", str(folder), "", options, time_zone="Africa/Nairobi")
    return connector.open(access)


def academy(folder: Path) -> FilesAcademy:
    opened = connector.open(SystemAccess("academy", str(folder), ""))
    assert isinstance(opened, FilesAcademy)
    return opened


def offering_requests(*codes: str) -> list[WriteRequest]:
    return [
        WriteRequest(
            key, Action.CREATE, "", {"state": "active", "code": code, "title": f"T {code}"}
        )
        for key, code in enumerate(codes)
    ]


def answers(reading: Pages) -> dict[str, Page]:
    found = {}
    for item in reading:
        assert isinstance(item, Page)
        found[item.scope] = item
    return found


def test_each_side_has_its_own_ports(tmp_path: Path) -> None:
    assert type(centre(tmp_path)) is FilesCentreWithResults
    assert type(centre(tmp_path, results=False)) is FilesCentre
    assert type(academy(tmp_path)) is FilesAcademy


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(SettingsInvalid) as raised:
        connector.open(SystemAccess("centre:X", "relative", "", {"results": "no", "colour": 1}))
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "address",
        "options.results",
        "options.colour",
    ]


def test_a_missing_file_is_another_error_than_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(IncompleteRead) as missing:
        list(centre(tmp_path).read_offerings())
    assert missing.value.code == "file-missing"
    with pytest.raises(Unreachable):
        list(centre(tmp_path / "nowhere").read_offerings())
    assert str(tmp_path) not in str(missing.value)


def test_a_file_that_the_system_cannot_read_is_explained_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "offerings.csv").mkdir()
    with pytest.raises(Unreachable) as raised:
        list(centre(tmp_path).read_offerings())
    assert raised.value.message == "offerings.csv: it is a folder, not a file."


def test_a_file_changed_before_parsing_fails_the_read(tmp_path: Path) -> None:
    path = tmp_path / "offerings.csv"
    path.write_text("id,title\n1,A\n")
    found = answers(centre(tmp_path).read_offerings())["offerings.csv"]
    path.write_text("id,title\n1,A\n2,B\n")
    with pytest.raises(IncompleteRead) as raised:
        list(found.parse())
    assert raised.value.code == "file-changed"


def test_rows_that_name_no_record_prevent_every_removal(tmp_path: Path) -> None:
    (tmp_path / "offerings.csv").write_text("id,title\n1,A\n2,B,x\n3,C\n")
    found = answers(centre(tmp_path).read_offerings())
    assert not found["offerings.csv"].whole
    assert [raw.external_id for raw in found["offerings.csv"].parse()] == ["1", "3"]
    assert [raw.external_id for raw in found["unreadable rows"].parse()] == ["row 3"]


def test_a_repeated_row_is_shown_and_the_answer_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "offerings.csv").write_text("id,title\n1,A\n1,B\n")
    found = answers(centre(tmp_path).read_offerings())
    assert found["offerings.csv"].whole
    assert [raw.external_id for raw in found["unreadable rows"].parse()] == ["row 3"]


def test_results_are_answered_by_offering(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("offering;learner;score\nB;x;1\nA;x;2\nB;y;3\nC;z;4\n")
    found = answers(centre(tmp_path).read_results(["A", "B", "D"]))
    ids = {scope: [raw.external_id for raw in a.parse()] for scope, a in found.items()}
    assert ids == {"A": ["A/x"], "B": ["B/x", "B/y"], "D": [], "unreadable rows": ["row 5"]}


def test_the_order_of_rows_changes_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("offering,learner,score\nA,x,1\nA,y,2\n")
    before = answers(centre(tmp_path).read_results(["A"]))["A"].body
    path.write_text("offering,learner,score\nA,y,2\nA,x,1\n")
    assert answers(centre(tmp_path).read_results(["A"]))["A"].body == before


def test_registrations_name_the_offering_by_code_or_external_id(tmp_path: Path) -> None:
    header = "offering,learner.id,learner.email,status\n"
    rows = (
        "C-1,a,a@example.org,enrolled\next-1,b,b@example.org,enrolled\nX,c,c@example.org,enrolled\n"
    )
    (tmp_path / "registrations.csv").write_text(header + rows)
    found = answers(academy(tmp_path).read_registrations("SAMPLE", {"ext-1": "C-1"}))
    assert sorted(raw.external_id for raw in found["ext-1"].parse()) == ["C-1/a", "ext-1/b"]


def test_unreadable_registrations_make_no_answer_whole(tmp_path: Path) -> None:
    header = "offering,learner.id,learner.email,status\n"
    (tmp_path / "registrations.csv").write_text(f"{header}A,a,a@example.org,enrolled\nA\n")
    found = answers(academy(tmp_path).read_registrations("SAMPLE", {"A": "A", "B": "B"}))
    assert [found[scope].whole for scope in ("A", "B", "unreadable rows")] == [False, False, True]


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> list[object]:
        return list(
            academy(tmp_path).write_offerings(offering_requests(f"C{number}", f"D{number}"))
        )

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(write, range(24)))
    assert all(isinstance(outcome, Written) for each in outcomes for outcome in each)
    rows = list(read_offerings(tmp_path / "catalogue.csv"))
    assert len(rows) == 48
    assert {path.name for path in tmp_path.iterdir()} == {"catalogue.csv", ".catalogue.csv.lock"}


def test_a_spoiled_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.csv"
    path.write_text("id,title\n1,A,x\n")
    with pytest.raises(NotUnderstood, match="Row 2"):
        list(academy(tmp_path).write_offerings(offering_requests("A")))
    assert path.read_text() == "id,title\n1,A,x\n"
    assert not list(tmp_path.glob("*.part"))


def test_an_updated_row_keeps_its_position(tmp_path: Path) -> None:
    files = academy(tmp_path)
    list(files.write_offerings(offering_requests("A", "B", "C")))
    removal = WriteRequest(0, Action.REMOVE, "B", {"state": "removed"})
    changed = WriteRequest(1, Action.UPDATE, "A", {"state": "active", "code": "A", "title": "New"})
    list(files.write_offerings([removal, changed]))
    rows = read_offerings(tmp_path / "catalogue.csv")
    assert [(row.raw.external_id, row.raw.fields["title"]) for row in rows] == [
        ("A", "New"),
        ("C", "T C"),
    ]


def test_nothing_is_acknowledged_before_the_file_is_in_place(tmp_path: Path) -> None:
    outcomes: Iterator[object] = academy(tmp_path).write_offerings(offering_requests("A"))
    next(outcomes)
    assert (tmp_path / "catalogue.csv").is_file()


def test_the_probe_checks_headers(tmp_path: Path) -> None:
    (tmp_path / "offerings.csv").write_text("id,title\n")
    findings = {found.check: found for found in centre(tmp_path).probe()}
    assert findings["offerings.csv"].verdict is Verdict.OK
    assert findings["results.csv"].verdict is Verdict.MISSING
    assert findings["results.csv"].affects == ("results",)


def test_a_large_file_yields_one_page_per_offering(tmp_path: Path) -> None:
    stream = io.StringIO()
    stream.write("offering,learner,score,scale_max\n")
    for number in range(8_000):
        stream.write(f"O{number % 300},learner-{number},{number % 100},100\n")
    (tmp_path / "results.csv").write_text(stream.getvalue())
    del stream
    files = centre(tmp_path)
    tracemalloc.start()
    count = 0
    for answer in files.read_results([f"O{number}" for number in range(300)]):
        assert isinstance(answer, Page)
        count += sum(1 for _ in answer.parse())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 8_000
    assert peak < 3 * 1024 * 1024
