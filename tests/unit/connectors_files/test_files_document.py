"""docs/files.md names every column and no other, and its example can be read."""

import io
import re
from pathlib import Path

import pytest

from lms_bridge.schemas.csv.reader import read_offerings
from lms_bridge.schemas.csv.tables import OFFERINGS, REGISTRATIONS, RESULTS, CsvTable
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema

TEXT = (Path(__file__).parents[3] / "docs" / "files.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("table", [OFFERINGS, REGISTRATIONS, RESULTS])
def test_every_column_is_documented(table: CsvTable) -> None:
    cells = re.findall(r"^\| (`.+?) \|", section(table.file), re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}
    assert named == set(table.names)


def test_the_columns_are_the_fields_of_the_schema() -> None:
    """A table has one language: texts in several come as JSON or from an LMS."""
    fields = set(OfferingSchema().fields) - {"translations"}
    assert set(OFFERINGS.names) - {"id", "centre"} == fields


def test_the_example_can_be_read() -> None:
    example = re.search(r"```csv\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    [row] = read_offerings(io.BytesIO(example[1].encode()))
    loaded = load(OfferingSchema(), row.raw.fields)
    assert loaded["languages"] == ("en", "fr")
    assert loaded["ends_at"].isoformat() == "2026-03-13T20:59:59+00:00"
