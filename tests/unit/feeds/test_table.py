"""Export and import are each other's inverse, whatever an offering holds."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.catalogue.csv import table
from lms_bridge.catalogue.entry import CatalogueEntry, Provider, public_offering
from lms_bridge.domain.document import document
from lms_bridge.domain.model import Level, Modality, Offering, OfferingStatus, RegistrationType
from lms_bridge.schemas.csv.reader import read_offerings
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema

GIVER = Provider("AFR", "Sample centre", "africa", "KE", True)
TEXTS = st.text(
    st.sampled_from("=+-@\t\r\n'\";,&<>|ab é\u2028أ\U0001f600\\/ ") | st.characters(), max_size=60
)
LISTS = st.lists(TEXTS, max_size=4)
ZONES = st.sampled_from(["UTC", "Africa/Cairo", "Asia/Kathmandu", "America/St_Johns"])


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


MOMENTS = st.datetimes(datetime(1995, 1, 1), datetime(2095, 1, 1)).map(_stamp)
MEETINGS = st.builds(
    lambda start, length, place: {
        "starts_at": _stamp(start),
        "ends_at": _stamp(start + timedelta(minutes=length)),
        "place": place,
    },
    st.datetimes(datetime(1995, 1, 1), datetime(2095, 1, 1)),
    st.integers(1, 10_000),
    TEXTS,
)
AMOUNTS = st.decimals(0, 10_000, places=3).map(str) | st.none()
CODES = st.from_regex(r"[A-Z0-9=+@'-][a-zA-Z0-9_.:/ -]{0,20}[A-Z0-9]", fullmatch=True).filter(
    lambda code: "  " not in code  # the bridge gives no such code, and reading folds white space
)
LANGUAGES = st.lists(st.sampled_from(["en", "fr", "pt-BR", "zh-Hans"]), max_size=3)
_TEXTS = "course_code location description audience requirements objectives"
_LISTS = "payment_methods topics organisers"
_MOMENTS = "starts_at ends_at registration_opens registration_closes"
FIELDS: st.SearchStrategy[Mapping[str, Any]] = st.fixed_dictionaries(
    {"title": TEXTS.map("T{}".format), "time_zone": ZONES},
    optional={
        **dict.fromkeys(_TEXTS.split(), TEXTS),
        **dict.fromkeys(_LISTS.split(), LISTS),
        **dict.fromkeys(_MOMENTS.split(), MOMENTS),
        "modality": st.sampled_from(Modality),
        "level": st.sampled_from(Level),
        "status": st.sampled_from(OfferingStatus),
        "registration": st.sampled_from(RegistrationType),
        "currency": st.sampled_from(["", "KES", "USD"]),
        "languages": LANGUAGES,
        "hours": AMOUNTS,
        "price": AMOUNTS,
        "seats": st.integers(0, 1_000_000),
        "address": TEXTS.map(lambda text: f"https://example.org/{text}"),
        "meetings": st.lists(MEETINGS, max_size=3),
    },
)


def in_order(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, what begins before what ends."""
    found = dict(fields)
    for first, last in (("starts_at", "ends_at"), ("registration_opens", "registration_closes")):
        if first in found and last in found:
            found[first], found[last] = sorted([found[first], found[last]])
    return found


@given(FIELDS, CODES)
def test_an_export_is_imported_unchanged(fields: Mapping[str, Any], code: str) -> None:
    loaded = load(OfferingSchema(), in_order(fields))
    record = Offering(code=code, centre="AFR", **loaded)
    if not record.course_code:  # as the bridge has it wherever it takes an offering in
        record = Offering(code=code, centre="AFR", **{**loaded, "course_code": code})
    entry = CatalogueEntry(1, 1, public_offering(code, "AFR", document(record)), GIVER)
    [row] = read_offerings(io.BytesIO(b"".join(table([entry]))), time_zone="Asia/Tokyo")
    assert not row.problem
    assert row.raw.external_id == code
    again = load(OfferingSchema(default_zone="Asia/Tokyo"), row.raw.fields)
    assert Offering(code=code, centre="AFR", **again) == record
