"""A table to begin a schedule with: the columns, what each may hold, and an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lms_bridge.domain.model import Centre, Level, Modality, OfferingStatus, RegistrationType
from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.csv import OFFERINGS, pieces

_ALLOWED: Mapping[str, str] = {
    "id": "#allowed",
    "title": "required: up to 500 characters",
    "course_code": "up to 100 characters",
    "modality": " | ".join(Modality),
    "level": " | ".join(Level),
    "status": f"{' | '.join(OfferingStatus)} (published where empty)",
    "starts_at": "2027-03-01, or 2027-03-01 09:00",
    "ends_at": "2027-03-12, or 2027-03-12 17:00",
    "time_zone": "such as Africa/Nairobi (the centre's where empty)",
    "hours": "a number",
    "registration": " | ".join(RegistrationType),
    "registration_opens": "a date or a time",
    "registration_closes": "a date or a time",
    "seats": "a whole number; only with registration = application",
    "price": "a number; empty where it is free",
    "currency": "three letters (USD where empty)",
    "location": "text",
    "description": "text",
    "audience": "text",
    "requirements": "text",
    "objectives": "text",
    "address": "https://...",
    "lms_course": "the course in the LMS, where several editions share one",
    "payment_methods": "texts with ; between them",
    "languages": "codes with ; between them",
    "topics": "texts with ; between them",
    "coordinators": "names with ; between them",
    "organisers": "names with ; between them",
    "meetings": "one per line: 2027-03-01 09:00/2027-03-01 12:30 Room 4",
}


def template(centre: Centre) -> Iterator[bytes]:
    """CSV for one centre. Its two rows are not looked at when the file is pushed."""
    sample: dict[str, object] = {
        "title": "SAMPLE: Spectrum monitoring (this row is not looked at)",
        "modality": Modality.BLENDED.value,
        "level": Level.INTERMEDIATE.value,
        "starts_at": "2027-03-01",
        "ends_at": "2027-03-12",
        "time_zone": centre.time_zone,
        "hours": "40",
        "registration": RegistrationType.APPLICATION.value,
        "seats": "25",
        "languages": list(centre.languages),
        "topics": ["Spectrum management"],
        "location": "Room 4",
        "meetings": [
            {"starts_at": "2027-03-01 09:00", "ends_at": "2027-03-01 12:30", "place": "Room 4"}
        ],
    }
    allowed, example = OFFERINGS.remarks
    rows = [Raw(allowed, _ALLOWED), Raw(example, sample)]
    return pieces(OFFERINGS, rows, without=("centre",))
