"""Reading: encodings, delimiters and headers as people make them, and rows that are broken."""

import io
import tracemalloc
from pathlib import Path

import pytest

from lms_bridge.domain.errors import NotUnderstood, RecordRefused
from lms_bridge.schemas.csv.reader import CsvRow, read_offerings, read_registrations, read_results
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema, RegistrationSchema, ResultSchema

ACCENTS = "Réseaux mobiles, niveau 1"


def offerings(text: str, encoding: str = "utf-8") -> list[CsvRow]:
    return list(read_offerings(io.BytesIO(text.encode(encoding))))


@pytest.mark.parametrize(
    ("encoding", "delimiter", "line_end"),
    [  # every two of them meet once
        ("utf-8", ",", "\n"),
        ("utf-8", ";", "\r\n"),
        ("utf-8", "\t", "\r"),
        ("utf-8-sig", ",", "\r\n"),
        ("utf-8-sig", ";", "\r"),
        ("utf-8-sig", "\t", "\n"),
        ("utf-16", ",", "\r"),
        ("utf-16", ";", "\n"),
        ("utf-16", "\t", "\r\n"),
    ],
)
def test_every_encoding_delimiter_and_line_end_is_read(
    encoding: str, delimiter: str, line_end: str
) -> None:
    lines = [f"id{delimiter}title", f'1{delimiter}"{ACCENTS}"', f"2{delimiter}B", ""]
    rows = offerings(line_end.join(lines), encoding)
    assert [(row.number, row.raw.external_id, row.raw.fields["title"]) for row in rows] == [
        (2, "1", ACCENTS),
        (3, "2", "B"),
    ]


def test_header_names_are_read_in_any_case_with_spaces() -> None:
    rows = offerings(" ID ;Title;Starts At;registration-closes\n1;A;2026-03-02;2026-03-01\n")
    loaded = load(OfferingSchema(default_zone="Africa/Nairobi"), rows[0].raw.fields)
    assert loaded["starts_at"].isoformat() == "2026-03-01T21:00:00+00:00"


def test_quoted_newlines_stay_and_rows_are_counted_as_a_spreadsheet_does() -> None:
    rows = offerings('id,title,description\n1,A,"one\r\ntwo ""quoted"""\n\n2,B,\n')
    assert rows[0].raw.fields["description"] == 'one\r\ntwo "quoted"'
    assert [row.number for row in rows] == [2, 4]
    assert "description" not in rows[1].raw.fields


@pytest.mark.parametrize(
    ("header", "code", "named"),
    [
        ("id,title,colour", "csv-unknown-column", '"colour"'),
        ("id,,title", "csv-unknown-column", "#2"),
        ("id,title,anna@example.org", "csv-unknown-column", "#3"),
        ("id,starts_at", "csv-missing-column", "title"),
        ("id,title,Title", "csv-column-twice", "title"),
        ("17,Anna Example", "csv-no-header", "names none"),
        ("", "csv-no-header", "no header"),
        ("x" * 20_000, "csv-no-header", "too long"),
    ],
)
def test_bad_headers_are_named(header: str, code: str, named: str) -> None:
    with pytest.raises(NotUnderstood, match=named) as raised:
        offerings(f"{header}\n1,A,x\n")
    assert raised.value.code == code
    assert "example" not in str(raised.value).casefold()


def test_an_unknown_column_lists_the_allowed_ones() -> None:
    with pytest.raises(NotUnderstood, match=r"Allowed: offering, learner\.id, learner\.email"):
        list(read_registrations(io.BytesIO(b"offering,learner id,learner email,status,x\n")))


def test_utf16_without_a_mark_is_named() -> None:
    with pytest.raises(NotUnderstood, match="UTF-16"):
        offerings("id,title\n1,A\n", "utf-16-le")


def refused(row: CsvRow) -> bool:
    """Whether the schema refuses what stands in the row's place."""
    try:
        load(OfferingSchema(), row.raw.fields)
    except RecordRefused:
        return True
    return False


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2,B,C,D", "has 4 cells where the header has 3"),
        (",B,C", 'has nothing in the column "id"'),
        ('2,"B"x,C', "is not CSV"),
        ("2\x00,B,C", "holds a NUL character"),
    ],
)
def test_a_row_of_no_known_record_is_reported_with_its_number(line: str, problem: str) -> None:
    rows = offerings(f"id,title,description\n1,A,a\n{line}\n3,C,c\n")
    assert [row.raw.external_id for row in rows] == ["1", "row 3", "3"]
    bad = rows[1]
    assert bad.problem.startswith(f"Row 3 {problem}")
    assert (bad.known, bad.stray, refused(bad)) == (False, True, True)


def test_a_bad_cell_leaves_the_record_known() -> None:
    data = b"id,title,description\n1,A,\xff\n2,B,a\x00b\n3,C,c\n"
    rows = list(read_offerings(io.BytesIO(data)))
    assert [row.raw.external_id for row in rows] == ["1", "2", "3"]
    assert [bool(row.problem) for row in rows] == [True, True, False]
    assert 'in the column "description"' in rows[0].problem
    assert all(row.known for row in rows)
    assert [refused(row) for row in rows] == [True, True, False]


def test_a_repeated_id_is_a_problem_of_the_later_row() -> None:
    rows = offerings("id,title\n1,A\n1,B\n")
    assert rows[0].problem == ""
    assert (rows[1].raw.external_id, rows[1].known, rows[1].stray) == ("row 3", True, True)
    assert "repeats" in rows[1].problem


def test_an_open_quotation_mark_is_no_removal() -> None:
    rows = offerings('id,title\n1,A\n2,"B\n3,C\n4,D\n')
    assert not all(row.known for row in rows)
    assert rows[0].raw.external_id == "1"


def test_unreadable_results_and_registrations_are_refused_too() -> None:
    result = next(read_results(io.BytesIO(b"offering,learner,score\nO,L,1,2\n")))
    with pytest.raises(RecordRefused):
        load(ResultSchema(), result.raw.fields)
    header = b"offering,learner.id,learner.email,status\nO,L,a,b,c\n"
    registration = next(read_registrations(io.BytesIO(header)))
    with pytest.raises(RecordRefused):
        load(RegistrationSchema(), registration.raw.fields)


def test_meetings_of_a_row_without_a_zone_are_the_centres() -> None:
    stream = io.BytesIO(b"id,title,meetings\n1,A,2026-03-02 09:00/2026-03-02 10:00\n")
    row = next(read_offerings(stream, time_zone="Africa/Nairobi"))
    meeting = load(OfferingSchema(), row.raw.fields)["meetings"][0]
    assert meeting.starts_at.isoformat() == "2026-03-02T06:00:00+00:00"


def test_a_path_is_opened_and_a_stream_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "offerings.csv"
    path.write_text("id,title\n1,A\n")
    assert len(list(read_offerings(path))) == 1
    assert len(list(read_offerings(str(path)))) == 1
    with path.open("rb") as stream:
        list(read_offerings(stream))
        assert not stream.closed


def test_a_large_file_is_read_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "offerings.csv"
    line = "x" * 4_000
    with path.open("w") as stream:
        stream.write("id,title,description\n")
        stream.writelines(f"{number},A,{line}\n" for number in range(2_000))
    tracemalloc.start()
    count = sum(1 for _ in read_offerings(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 2_000
    assert peak < path.stat().st_size / 10
