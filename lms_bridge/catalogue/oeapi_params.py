"""The parameters of the Open Education API: pages, orders, filters."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from flask import request

from lms_bridge.catalogue.oeapi import DELIVERY, LEVEL, PAGE_SIZES
from lms_bridge.catalogue.oeapi_queries import OeapiParams
from lms_bridge.catalogue.queries import CatalogueFilters
from lms_bridge.catalogue.requests import AVAILABILITIES, moments
from lms_bridge.catalogue.text import two_letters
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Modality

_PAGED = ("pageSize", "pageNumber", "consumer", "q", "teachingLanguage", "sort")
OF_COURSES = (*_PAGED, "primaryCode", "level", "modeOfDelivery")
OF_OFFERINGS = (
    *_PAGED,
    *(
        "primaryCode",
        "modeOfDelivery",
        "resultExpected",
        "offeringType",
        "since",
        "until",
        "availability",
    ),
)
_DELIVERIES = ("distance-learning", "on campus", "online", "hybrid", "situated")
_LANGUAGE = re.compile(r"[a-z]{3}")
_MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class NumberedPage:
    """A page, counted from one."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size


def check_names(*known: str) -> None:
    """Makes sure that a request has no other parameters.

    Raises:
        Refused: it has.
    """
    if set(request.args) - set(known):
        raise Refused(
            "unknown-parameter",
            "The address asks by a parameter that there is not.",
            f"There are: {', '.join(known)}." if known else "There are none.",
        )


def page_of_request() -> NumberedPage:
    """The requested page.

    Raises:
        Refused: the size is none of the specification's, or the number is no number above zero.
    """
    size, number = request.args.get("pageSize", "10"), request.args.get("pageNumber", "1")
    if size not in map(str, PAGE_SIZES):
        raise _refused("pageSize", ", ".join(map(str, PAGE_SIZES)))
    if not (number.isascii() and number.isdecimal() and 0 < int(number[:10]) <= _MOST):
        raise _refused("pageNumber", f"1 to {_MOST}")
    return NumberedPage(int(number), int(size))


def expanded(*possible: str) -> Collection[str]:
    """What is to be shown whole where otherwise its identifier stands."""
    return _listed("expand", possible)


def courses_of_request(orders: Collection[str]) -> OeapiParams:
    """The filters and orders of a list of courses.

    Raises:
        Refused: a parameter, or the value of one, that the specification does not have.
    """
    check_names(*OF_COURSES)
    none = request.args.get("level", LEVEL) != LEVEL  # no other level has any course
    return OeapiParams(
        filters=_filters(),
        modalities=[] if none else _modalities(),
        course_code=request.args.get("primaryCode", "")[:500],
        orders=_orders(orders, "name"),
    )


def offerings_of_request(orders: Collection[str]) -> OeapiParams:
    """The same of a list of offerings: by the specification, of those that start from today on
    where neither another day nor an availability is named."""
    check_names(*OF_OFFERINGS)
    expected = request.args.get("resultExpected", "true")
    if expected not in ("true", "false"):
        raise _refused("resultExpected", "true, false")
    none = expected == "false" or request.args.get("offeringType", "course") != "course"
    until, today = _day("until"), datetime.combine(utc_now().date(), time(), UTC)
    wanted = request.args.get("availability", "")
    if wanted and wanted not in AVAILABILITIES:
        raise _refused("availability", ", ".join(AVAILABILITIES))
    filters = _filters()
    if wanted:
        filters = replace(filters, availability=wanted, at=moments())
    since = _day("since")
    by_default = since is None and not filters.availability
    return OeapiParams(
        filters=replace(filters, code=request.args.get("primaryCode", "")[:500]),
        modalities=[] if none else _modalities(),
        since=today if by_default else since,
        until=until + timedelta(days=1) if until else None,
        without_over=by_default,
        orders=_orders(orders, "startDate"),
    )


def _filters() -> CatalogueFilters:
    language = request.args.get("teachingLanguage", "")
    if language and not _LANGUAGE.fullmatch(language):
        raise _refused("teachingLanguage", "three letters of ISO 639-2")
    return CatalogueFilters(text=request.args.get("q", "")[:100], language=two_letters(language))


def _modalities() -> list[Modality] | None:
    named = _listed("modeOfDelivery", _DELIVERIES)
    if not named:
        return None
    return [modality for modality, modes in DELIVERY.items() if set(modes) & set(named)]


def _orders(orders: Collection[str], default: str) -> list[str]:
    possible = [name for each in orders for name in (each, f"-{each}")]
    return _listed("sort", possible) or [default]


def _listed(name: str, possible: Collection[str]) -> list[str]:
    values = [v for text in request.args.getlist(name) for v in text.split(",") if v]
    if not set(values) <= set(possible):
        raise _refused(name, ", ".join(possible))
    return values


def _day(name: str) -> datetime | None:
    text = request.args.get(name, "")
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise _refused(name, "a day such as 2026-03-31") from None


def _refused(name: str, possible: str) -> Refused:
    return Refused(
        "unknown-value", f"{name} has a value that it cannot have.", f"It may be: {possible}."
    )
