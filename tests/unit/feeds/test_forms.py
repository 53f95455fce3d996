"""The small parts that feeds are made of."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Event

from lms_bridge.catalogue.entry import (
    Addresses,
    CatalogueEntry,
    IdentifierKind,
    Provider,
    public_offering,
    record_id_of,
    record_identifier,
    stable_id,
)
from lms_bridge.catalogue.ical import ICalText, categories, rendered
from lms_bridge.catalogue.jsonld import in_page
from lms_bridge.catalogue.oneroster import archive
from lms_bridge.catalogue.text import (
    allowed,
    first_and_last_day,
    line,
    plain,
    three_letters,
    two_letters,
    xml,
)
from lms_bridge.domain.model import Offering

ANY = st.text(st.characters() | st.sampled_from("\\;,:\r\n\t \"'é漢\U0001f600\u2028\x00\ud800"))
GIVER = Provider("AFR", "Sample centre", "africa", "KE", True)


def entry_of(record: Offering) -> CatalogueEntry:
    return CatalogueEntry(1, 1, record, GIVER)


@given(ANY)
@example(r"C:\New, \\N and \n")
def test_calendar_texts_and_categories_are_read_back_from_folded_lines(text: str) -> None:
    event = Event()
    event.add("SUMMARY", ICalText(allowed(text)))
    event.add("CATEGORIES", categories([allowed(text), "x"]))
    octets = rendered(event)
    assert octets.endswith(b"\r\n")
    for each in octets[:-2].split(b"\r\n"):
        assert len(each) <= 75
        each.decode()  # no character is torn
        assert b"\r" not in each
        assert b"\n" not in each
    read = Event.from_ical(octets)
    shown = allowed(text).replace("\r\n", "\n").replace("\r", "\n")
    assert read["SUMMARY"] == shown
    assert read.decoded("CATEGORIES") == [shown, "x"]


@given(ANY)
def test_any_text_is_valid_in_xml(text: str) -> None:
    found = ElementTree.fromstring(f'<a b="{xml(line(text))}">{xml(line(text))}</a>'.encode())
    assert (found.text or "") == found.get("b") == line(text)


def test_markup_becomes_lines() -> None:
    html = "<p>One &amp; two</p><ul><li>three<li>four</ul><script>no()</script>five<br/>six"
    assert plain(html) == "One & two\nthree\nfour\nfive\nsix"
    assert plain("a < b & c") == "a < b & c"  # no markup, so nothing is taken for it
    assert plain("x" * 30, longest=10) == "x" * 9 + "…"


@given(ANY)
def test_nothing_in_a_page_ends_its_script(text: str) -> None:
    record = public_offering("A", "AFR", {"title": f"</script><!--{allowed(text)}"})
    found = in_page(entry_of(record), Addresses("https://example.org"))
    assert not set("<>&\u2028\u2029") & set(found)
    assert json.loads(found)["name"] == line(record.title)


@given(st.integers(0, (1 << 48) - 1), st.sampled_from(IdentifierKind), st.text())
def test_a_number_is_found_in_its_identifier(number: int, of: IdentifierKind, name: str) -> None:
    identifier = record_identifier(of, number, name)
    assert identifier.version == 8
    assert identifier.variant == "specified in RFC 4122"
    assert record_id_of(str(identifier), of) == number
    assert record_id_of(str(identifier).upper(), of) == number
    other = IdentifierKind.COURSE if of is IdentifierKind.OFFERING else IdentifierKind.OFFERING
    assert record_id_of(str(identifier), other) is None
    assert record_identifier(of, number, f"{name}!") != identifier


@pytest.mark.parametrize("text", ["", "x", "AFR-1", str(UUID(int=0)), str(stable_id("a"))])
def test_a_foreign_identifier_has_no_number(text: str) -> None:
    assert record_id_of(text, IdentifierKind.OFFERING) is None


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        record_identifier(IdentifierKind.COURSE, 1 << 48, "")


def test_identifiers_do_not_change() -> None:
    # Readers keep these: they must not change from one version to the next.
    assert str(stable_id("offering", "AFR-1")) == "72fce9a5-3afe-5837-bbc9-7d4bce8a20c3"
    assert (
        str(record_identifier(IdentifierKind.OFFERING, 1, "AFR-1"))
        == "00000000-0001-8001-9022-441b99db9c59"
    )


@pytest.mark.parametrize(
    ("starts", "ends", "zone", "days"),
    [
        ("2040-03-01T21:30", "2040-03-02T20:59", "Africa/Nairobi", ("2040-03-02", "2040-03-02")),
        ("2040-03-01T21:30", "2040-03-02T21:00", "Africa/Nairobi", ("2040-03-02", "2040-03-02")),
        ("2040-03-01T03:00", "2040-03-01T04:00", "America/Lima", ("2040-02-29", "2040-02-29")),
        ("2040-03-01T03:00", None, "UTC", ("2040-03-01", "2040-03-01")),
        ("2040-03-02T03:00", "2040-03-01T03:00", "UTC", ("2040-03-02", "2040-03-02")),
        ("2040-03-02T00:00", "2040-03-02T00:00", "UTC", ("2040-03-02", "2040-03-02")),
        ("2040-03-01T23:00", "2040-03-02T22:00", "No/Zone", ("2040-03-01", "2040-03-02")),
        (None, "2040-03-01T03:00", "UTC", None),
    ],
)
def test_the_first_and_last_day_are_those_of_the_offerings_zone(
    starts: str | None, ends: str | None, zone: str, days: tuple[str, str] | None
) -> None:
    record = replace(
        Offering("A", "AFR", "A", "A", time_zone=zone), starts_at=at(starts), ends_at=at(ends)
    )
    found = first_and_last_day(entry_of(record))
    desired = (date.fromisoformat(days[0]), date.fromisoformat(days[1])) if days else None
    assert found == desired


def at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def test_an_invalid_value_counts_as_missing() -> None:
    found = public_offering(
        "A",
        "AFR",
        {
            "title": None,
            "modality": "by post",
            "level": 3,
            "status": "lost",
            "starts_at": "soon",
            "ends_at": "9999-12-31T23:59:59-12:00",
            "hours": True,
            "price": "NaN",
            "seats": 2.5,
            "topics": "one",
            "languages": ["en", 7],
            "address": "javascript:alert(1)",
            "meetings": [{"starts_at": "2040-03-01T03:00:00Z"}, "x"],
            "coordinators": ["Ann Other"],
            "lms_course": "7",
        },
    )
    assert found == Offering("A", "AFR", "A", "A", languages=("en",))


def test_language_codes_are_translated() -> None:
    assert three_letters("pt-BR") == "por"
    assert three_letters("EN") == "eng"
    assert three_letters("swa") == "swa"
    assert three_letters("x-klingon") == "und"
    assert two_letters("ara") == "ar"
    assert two_letters("und") == "und"


def test_an_archive_is_made_while_it_is_sent() -> None:
    sent = []

    def content() -> Iterator[bytes]:
        for number in range(2_000):
            sent.append(number)
            yield b"%d: some text that is compressed\r\n" % number * 20

    pieces = archive([("a.csv", content()), ("b.csv", [])])
    first = [next(pieces) for _ in range(3)]
    assert len(sent) < 1_900, "nothing was sent before all of it was there"
    whole = b"".join([*first, *pieces])
    with zipfile.ZipFile(io.BytesIO(whole)) as found:
        assert found.testzip() is None
        assert found.read("a.csv").count(b"\r\n") == 40_000
        assert found.read("b.csv") == b""
