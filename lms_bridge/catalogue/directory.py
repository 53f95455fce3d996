"""`/training-centres`: the public directory of the training centres, and a page for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, render_template
from sqlalchemy import Connection

from lms_bridge.catalogue.page_cache import cached
from lms_bridge.catalogue.queries import Moments, PageFilters, count_listed, listed
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Centre
from lms_bridge.domain.network import CentreProfile, Membership
from lms_bridge.domain.translations import reader_texts
from lms_bridge.reference import reference
from lms_bridge.store import centres, memberships
from lms_bridge.web.access import the_bridge
from lms_bridge.web.languages import wanted_languages

pages = Blueprint("directory", __name__)
MOST_OFFERINGS = 10
"""Offerings that the page of a centre lists; the catalogue has the others."""


@dataclass(frozen=True, slots=True)
class ListedCentre:
    """A centre as the public sees it. ``language`` is that of the name; "" where unknown."""

    code: str
    name: str
    language: str
    region: str
    country: str
    sample: bool
    profile: CentreProfile
    current: tuple[Membership, ...]

    @property
    def areas(self) -> list[str]:
        """Its priority areas today."""
        return sorted({area for each in self.current for area in each.priority_areas})

    @property
    def site(self) -> str:
        """Its own pages; only an address that a reader may follow."""
        address = self.profile.site
        return address if address.startswith(("https://", "http://")) else ""


def directory(tx: Connection, today: date, wanted: list[str]) -> list[ListedCentre]:
    """The centres that take part, by name."""
    known, members = centres.profiles(tx), memberships.by_centre(tx)
    found = [
        _entry(
            each, known.get(each.code, CentreProfile()), members.get(each.code, []), today, wanted
        )
        for each in centres.all_centres(tx, active_only=True)
    ]
    return sorted(found, key=lambda each: each.name.casefold())


def _entry(
    centre: Centre,
    profile: CentreProfile,
    members: list[Membership],
    today: date,
    wanted: list[str],
) -> ListedCentre:
    name, language = _name(centre.name, profile.names, wanted)
    current = tuple(
        each
        for each in members
        if each.starts_on <= today and (each.ends_on is None or today <= each.ends_on)
    )
    return ListedCentre(
        centre.code, name, language, centre.region, centre.country, centre.sample, profile, current
    )


def _name(own: str, names: Mapping[str, str], wanted: list[str]) -> tuple[str, str]:
    """The name in the reader's best language, with the language; else the centre's own."""
    by_language = {tag.lower(): name for tag, name in names.items()}
    for tag in wanted:
        for each in (tag.lower(), tag.lower().partition("-")[0]):
            if each in by_language:
                return by_language[each], each
    return own, ""


@pages.get("/training-centres")
@cached()
def show() -> str:
    with the_bridge().database.reading() as tx:
        found = directory(tx, utc_now().date(), wanted_languages())
    regions = {key: [each for each in found if each.region == key] for key in reference().regions}
    return render_template("directory.html", regions=regions, total=len(found))


@pages.get("/training-centres/<code>")
@cached()
def show_one(code: str) -> str:
    now, wanted = utc_now(), wanted_languages()
    at = Moments(now, now + the_bridge().settings.rules.soon)
    with the_bridge().database.reading() as tx:
        entry = next(
            (each for each in directory(tx, now.date(), wanted) if each.code == code), None
        )
        if entry is None:
            raise NotFound("no-such-centre", "There is no such training centre.")
        filters = PageFilters(centre=code)
        total = count_listed(tx, filters, at)
        offerings = listed(tx, filters, at, limit=MOST_OFFERINGS)
    return render_template(
        "training_centre.html",
        centre=entry,
        total=total,
        offerings=[(each, reader_texts(each.fields, wanted)) for each in offerings],
    )
