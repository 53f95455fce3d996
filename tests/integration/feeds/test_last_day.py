"""An offering has the same first and last day on its page and in every format that shows days."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime

import pytest

from lms_bridge.domain.model import Modality, Offering
from tests.integration.feeds.world import World


@pytest.mark.parametrize(
    ("starts", "ends", "zone", "last"),
    [
        ("2040-03-02T00:00", "2040-03-13T00:00", "UTC", 12),
        ("2040-03-02T00:00", "2040-03-12T23:59:59", "UTC", 12),
        ("2040-03-01T21:00", "2040-03-12T21:00", "Africa/Nairobi", 12),
        ("2040-03-01T10:00", "2040-03-12T10:00", "Pacific/Kiritimati", 12),
        ("2040-03-02T11:00", "2040-03-13T10:59:59", "Pacific/Pago_Pago", 12),
        # It ends as it begins, at midnight.
        ("2040-03-02T00:00", "2040-03-02T00:00", "UTC", 2),
    ],
)
def test_the_last_day_is_the_same_everywhere(
    lite: World, starts: str, ends: str, zone: str, last: int
) -> None:
    record = Offering("EUR-1", "EUR", "E", "Sample", modality=Modality.INSTRUCTOR_LED)
    first_moment, last_moment = (datetime.fromisoformat(f"{text}Z") for text in (starts, ends))
    lite.publish(replace(record, time_zone=zone, starts_at=first_moment, ends_at=last_moment))
    desired = (f"2040-03-{2:02}", f"2040-03-{last:02}")

    [shown] = lite.get("/oeapi/v5/offerings").json()["items"]
    assert (shown["startDate"], shown["endDate"]) == desired
    calendar = lite.get("/catalogue.ics").text
    begins, after = re.findall(r"DT(?:START|END);VALUE=DATE:2040(\d{4})", calendar)
    assert (begins, after) == ("0302", f"03{last + 1:02}")
    page = lite.get("/catalogue/EUR-1").text
    days = re.findall(r"<time [^>]*>([^<]*)</time>", page)[: 2 if last > 2 else 1]
    assert days == ["2 Mar 2040", "12 Mar 2040"][: len(days)]
    assert "1 Mar 2040" not in re.findall(r">(\d+ Mar 2040)<", page)
    data = re.search(r'ld\+json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert data is not None
    instance = json.loads(data[1])["hasCourseInstance"]
    (instance,) = instance if isinstance(instance, list) else [instance]
    assert (instance["startDate"][:10], instance["endDate"][:10]) == desired
