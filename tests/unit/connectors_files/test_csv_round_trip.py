"""Export, then import: the identity, for every kind of file."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.domain.document import plain
from lms_bridge.domain.model import (
    EnrolmentStatus,
    Level,
    Meeting,
    Modality,
    OfferingStatus,
    RegistrationType,
)
from lms_bridge.domain.ports import RawRecord
from lms_bridge.schemas.characters import visible
from lms_bridge.schemas.csv.reader import read_offerings, read_registrations, read_results
from lms_bridge.schemas.csv.writer import write_offerings, write_registrations, write_results
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema, RegistrationSchema, ResultSchema

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00")).filter(
    lambda text: not text or text.strip()
)
LINE = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="<&"), max_size=40
).map(visible)
NAME = LINE.filter(bool)
ID = st.text("abcXYZ019._@:+-", min_size=1, max_size=20)
MOMENT = st.datetimes(datetime(1991, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
AMOUNT = st.decimals(0, 10_000, places=3)
MEETINGS = st.lists(
    st.builds(lambda start, place: Meeting(start, start + timedelta(hours=2), place), MOMENT, LINE),
    max_size=3,
)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


OFFERINGS = st.fixed_dictionaries(
    {
        "title": NAME,
        "course_code": LINE,
        "modality": optional(st.sampled_from(Modality)),
        "level": optional(st.sampled_from(Level)),
        "status": st.sampled_from(OfferingStatus),
        "starts_at": optional(MOMENT),
        "time_zone": st.sampled_from(["UTC", "Africa/Nairobi", "Asia/Kathmandu"]),
        "hours": optional(AMOUNT),
        "registration": st.sampled_from(RegistrationType),
        "seats": optional(st.integers(0, 1_000_000)),
        "price": optional(AMOUNT),
        "topics": st.lists(NAME, unique=True, max_size=4),
        "languages": st.lists(st.sampled_from(["en", "fr", "pt-BR"]), unique=True),
        "location": LINE,
        "description": TEXT.filter(lambda text: "<" not in text),
        "meetings": MEETINGS,
    }
)
REGISTRATIONS = st.fixed_dictionaries(
    {
        "offering": NAME,
        "status": st.sampled_from(EnrolmentStatus),
        "starts_at": optional(MOMENT),
        "learner": st.fixed_dictionaries(
            {
                "id": ID,
                "email": st.just("someone@example.org"),
                "given_name": NAME,
                "family_name": LINE,
                "country": st.sampled_from(["", "SN"]),
            }
        ),
    }
)
RESULTS = st.fixed_dictionaries(
    {
        "offering": NAME,
        "learner": ID,
        "score": optional(st.decimals(-1000, 1000, places=3)),
        "completed": st.booleans(),
        "graded_at": optional(MOMENT),
    }
)


def as_json(fields: dict[str, Any]) -> dict[str, object]:
    return {name: plain(value) for name, value in fields.items()}


def there_and_back(write: Any, read: Any, raws: list[RawRecord]) -> list[RawRecord]:
    stream = io.BytesIO()
    assert write(stream, raws) == len(raws)
    stream.seek(0)
    rows = list(read(stream))
    assert [row.problem for row in rows] == [""] * len(rows)
    return [row.raw for row in rows]


def test_a_room_whose_number_looks_like_a_time_is_read_back() -> None:
    meeting = {
        "starts_at": "2026-03-02T09:00:00Z",
        "ends_at": "2026-03-02T12:30:00Z",
        "place": "2.14 Main building",
    }
    raw = RawRecord("A-1", {"title": "A sample", "meetings": [meeting]})
    (back,) = there_and_back(write_offerings, read_offerings, [raw])
    assert back.fields["meetings"] == [meeting]


@given(st.dictionaries(NAME, OFFERINGS, max_size=5))
def test_offerings_are_read_back_as_written(records: dict[str, dict[str, Any]]) -> None:
    raws = [RawRecord(external_id, as_json(fields)) for external_id, fields in records.items()]
    back = there_and_back(write_offerings, read_offerings, raws)
    assert [raw.external_id for raw in back] == list(records)
    for before, after in zip(raws, back, strict=True):
        desired = load(OfferingSchema(), before.fields)
        assert load(OfferingSchema(), after.fields) == desired
        # Blanks at the edges of a text mean nothing: a reader may drop them, and every schema does.
        for name in ("title", "location", "description"):
            assert str(after.fields.get(name, "")).strip() == str(before.fields[name]).strip()


@given(st.lists(REGISTRATIONS, max_size=5, unique_by=lambda r: (r["offering"], r["learner"]["id"])))
def test_registrations_are_read_back_as_written(records: list[dict[str, Any]]) -> None:
    raws = [RawRecord(f"{r['offering']}/{r['learner']['id']}", as_json(r)) for r in records]
    back = there_and_back(write_registrations, read_registrations, raws)
    assert [raw.external_id for raw in back] == [raw.external_id for raw in raws]
    for before, after in zip(raws, back, strict=True):
        desired = load(RegistrationSchema(), before.fields)
        assert load(RegistrationSchema(), after.fields) == desired


@given(st.lists(RESULTS, max_size=5, unique_by=lambda r: (r["offering"], r["learner"])))
def test_results_are_read_back_as_written(records: list[dict[str, Any]]) -> None:
    raws = [RawRecord(f"{r['offering']}/{r['learner']}", as_json(r)) for r in records]
    back = there_and_back(write_results, read_results, raws)
    assert [raw.external_id for raw in back] == [raw.external_id for raw in raws]
    for before, after in zip(raws, back, strict=True):
        assert load(ResultSchema(), after.fields) == load(ResultSchema(), before.fields)


def test_a_second_round_writes_the_same_bytes() -> None:
    raw = RawRecord(
        "'=a", {"title": "@x", "topics": ["a;b", "=c"], "price": plain(Decimal("1.50"))}
    )
    first, second = io.BytesIO(), io.BytesIO()
    write_offerings(first, [raw])
    first.seek(0)
    write_offerings(second, (row.raw for row in read_offerings(first)))
    assert second.getvalue() == first.getvalue()
