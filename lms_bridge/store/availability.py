"""The availability of offerings as the database computes it: ``domain/availability.py`` in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, String, case, func, literal_column, or_

from lms_bridge.domain.availability import ENDED, ON_OFFER, Availability
from lms_bridge.domain.model import Modality, OfferingStatus
from lms_bridge.store.tables import offering


def availability(now: Any, soon: Any) -> ColumnElement[str]:
    """The word of each offering's availability. ``now`` and ``soon`` are moments, or parameters
    for them: when registration that closes until ``soon`` counts as closing soon."""
    at = offering.c
    starts = case((_is(at.modality, Modality.SELF_PACED), at.ends_at), else_=at.starts_at)
    # What is over is out first: that registration closes after the end matters for "soon" alone.
    closes = func.coalesce(at.registration_closes, starts, at.ends_at)
    begun = or_(_is(at.status, OfferingStatus.RUNNING), at.starts_at <= now)
    over = or_(_among(ENDED), at.ends_at <= now)
    closed = case((begun, _word(Availability.RUNNING)), else_=_word(Availability.CLOSED))
    return case(
        (or_(at.listed.is_(False), ~_among(ON_OFFER | ENDED)), _word(Availability.NOT_ON_OFFER)),
        (over, _word(Availability.OVER)),
        (at.registration_opens > now, _word(Availability.NOT_YET_OPEN)),
        (closes <= now, closed),
        (or_(closes <= soon, at.ends_at <= soon), _word(Availability.CLOSING_SOON)),
        (closes.is_(None), _word(Availability.OPEN_WITHOUT_END)),
        else_=_word(Availability.OPEN),
    )


# Words are written out: parameters of a list are put together anew with every question.


def _word(word: str) -> ColumnElement[str]:
    return literal_column(f"'{word}'", String)


def _is(column: Any, word: str) -> ColumnElement[bool]:
    return column == _word(word)  # type: ignore[no-any-return]  # a comparison of columns


def _among(statuses: frozenset[OfferingStatus]) -> ColumnElement[bool]:
    return offering.c.status.in_([_word(each) for each in sorted(statuses)])
