"""CSV: what is exported, the bridge's own import reads again unchanged."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

from lms_bridge.domain.model import Offering
from lms_bridge.schemas.csv.reader import read_offerings
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema
from tests.integration.feeds.world import PRIVATE, World, full, meeting, plain


def test_the_columns_are_those_of_the_documents(lite: World) -> None:
    lite.publish(plain(1))
    response = lite.get("/catalogue.csv")
    assert response.headers["Content-Type"].startswith("text/csv; charset=utf-8")
    assert response.headers["Content-Disposition"] == 'attachment; filename="catalogue.csv"'
    header, row = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    assert len(header) == len(row)
    assert {"id", "title", "centre", "starts_at", "meetings"} < set(header)
    assert not {"coordinators", "lms_course"} & set(header)


QUESTIONS = (
    "",
    "availability=current",
    "availability=all&price=free",
    "availability=all&price=paid",
    "availability=closed",
    "availability=all&starts_from=2040-05-03&starts_to=2040-05-05",
    "availability=all&text=Spectrum&language=fr&region=europe&level=introductory",
    "availability=all&topic=spectrum management&modality=face_to_face&centre=EUR",
)


def test_the_list_of_the_catalogue_and_its_link_to_the_table_show_the_same(world: World) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    world.publish(
        plain(1, price=Decimal("10.50"), currency="USD"),
        plain(2, price=Decimal(0), registration_closes=past),
        plain(3),
        plain(4, starts_at=past, ends_at=past + timedelta(days=3)),
        plain(5, starts_at=None, ends_at=None, level=None, languages=("ar",)),
        full(),
    )
    seen = set()
    for question in QUESTIONS:
        page = world.get(f"/catalogue?{question}").text
        listed = set(re.findall(r'href="/catalogue/([A-Z]+-\d+)"', page))
        (path,) = set(re.findall(r'<a href="(/catalogue\.csv[^"]*)"', page))
        content = world.get(unescape(path)).content.decode("utf-8-sig")
        assert {row["id"] for row in csv.DictReader(io.StringIO(content))} == listed
        seen.add(frozenset(listed))
    assert len(seen) == len(QUESTIONS)  # each question chose other courses
    for wrong in ("price=cheap", "starts_to=soon", "availability=often"):
        world.get(f"/catalogue.csv?{wrong}", status=400)


def test_no_cell_is_a_formula(lite: World) -> None:
    lite.publish(
        *(
            plain(number, title=f"{sign}1+1", location=f"{sign}cmd|' /C calc'!A0")
            for number, sign in enumerate("=+-@\t\r")
        )
    )
    rows = list(csv.reader(io.StringIO(lite.get("/catalogue.csv").content.decode("utf-8-sig"))))
    assert len(rows) == 7
    for row in rows:
        for cell in row:
            assert not cell.startswith(tuple("=+-@\t\r"))


def test_an_export_is_imported_unchanged(world: World) -> None:
    records = [
        full(meetings=(meeting(2, place="Room; 4"), meeting(3))),
        *(plain(number) for number in range(600)),
    ]
    world.publish(*records)
    content = world.get("/catalogue.csv").content
    assert PRIVATE.encode() not in content
    found = {}
    for row in read_offerings(io.BytesIO(content), time_zone="Asia/Tokyo"):
        assert not row.problem
        fields = load(OfferingSchema(default_zone="Asia/Tokyo"), row.raw.fields)
        found[row.raw.external_id] = Offering(code=row.raw.external_id, centre="", **fields)
    assert found.keys() == {record.code for record in records}
    assert found["EUR-7"].title == "Spectrum management 7"
    assert found["EUR-7"].starts_at == records[8].starts_at
    assert found["AFR-1"].meetings == records[0].meetings
    assert found["AFR-1"].topics == records[0].topics
    assert found["AFR-1"].time_zone == "Africa/Nairobi"
