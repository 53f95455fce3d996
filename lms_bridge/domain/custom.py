"""The names under which systems with fields of their own keep what an offering has besides."""

from __future__ import annotations

ITU_FIELDS: dict[str, str] = {
    "modality": "itu_modality",
    "level": "itu_level",
    "status": "itu_status",
    "hours": "itu_hours",
    "registration": "itu_registration",
    "registration_opens": "itu_regopen",
    "registration_closes": "itu_regclose",
    "seats": "itu_seats",
    "price": "itu_price",
    "currency": "itu_currency",
    "payment_methods": "itu_payment",
    "languages": "itu_languages",
    "topics": "itu_topics",
    "coordinators": "itu_coordinators",
    "organisers": "itu_organisers",
    "location": "itu_location",
    "audience": "itu_audience",
    "requirements": "itu_requirements",
    "objectives": "itu_objectives",
    "time_zone": "itu_timezone",
}
"""Field of an offering -> the name of the custom field or parameter that holds it."""
