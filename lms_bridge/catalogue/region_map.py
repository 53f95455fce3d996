"""A schematic map of the six regions: boxes about where the regions are. It shows no borders and no
places of centres, since the bridge knows a centre's country alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lms_bridge.catalogue.index import CatalogueIndex
from lms_bridge.reference import reference
from lms_bridge.web.filters import labels

WIDTH, HEIGHT = 320, 210
_BOXES = {
    "americas": (4, 34, 78, 132),
    "europe": (90, 4, 72, 54),
    "cis": (170, 4, 146, 54),
    "arab_states": (90, 66, 106, 66),
    "africa": (90, 140, 106, 66),
    "asia_pacific": (204, 66, 112, 140),
}
"""{region: x, y, width, height}; a region that is not here is only in the list beside the map."""
_LETTER = 6.2
"""How wide a letter is, about: narrow enough for Arabic, too."""


@dataclass(frozen=True, slots=True)
class RegionOfMap:
    """A region with its courses and centres, as far as they fit the filters. ``countries`` are
    {country's code: (centres, courses)}; ``box`` is None without a place on the map."""

    key: str
    label: str
    lines: list[str]
    box: tuple[int, int, int, int] | None
    courses: int
    centres: int
    countries: Mapping[str, tuple[int, int]]


def regions_of_map(
    index: CatalogueIndex, counts: Mapping[str, Mapping[str, int]]
) -> list[RegionOfMap]:
    """All regions, in the order of the reference data."""
    names = labels("regions")
    return [
        _region(index, key, names[key], counts["region"].get(key, 0), counts["centre"])
        for key in reference().regions
    ]


def _region(
    index: CatalogueIndex, key: str, label: str, courses: int, by_centre: Mapping[str, int]
) -> RegionOfMap:
    countries: dict[str, tuple[int, int]] = {}
    box = _BOXES.get(key)
    of_it = [each for each in index.centres.values() if each.region == key and each.active]
    for each in of_it:
        centres, found = countries.get(each.country, (0, 0))
        countries[each.country] = (centres + 1, found + by_centre.get(each.code, 0))
    return RegionOfMap(key, label, _lines(label, box), box, courses, len(of_it), countries)


def _lines(label: str, box: tuple[int, int, int, int] | None) -> list[str]:
    """The label in lines that fit into its box."""
    most = int(box[2] / _LETTER) if box else len(label)
    lines = [""]
    for word in label.replace("-", "- ").split():
        space = "" if not lines[-1] or lines[-1].endswith("-") else " "
        joined = f"{lines[-1]}{space}{word}"
        if lines[-1] and len(joined) > most:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines
