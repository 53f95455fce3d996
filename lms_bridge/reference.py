"""Reference data of config/reference: regions, words of the catalogue, cycles to begin with."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.network import Cycle
from lms_bridge.settings import config_folder


@dataclass(frozen=True, slots=True)
class Reference:
    """``regions``, ``modalities``, ``levels`` and ``registration_types`` are {key: label}.
    ``cycles`` only fill a new database: those of a bridge are in its database."""

    regions: Mapping[str, str]
    cycles: Mapping[str, Cycle]
    modalities: Mapping[str, str]
    levels: Mapping[str, str]
    registration_types: Mapping[str, str]


@lru_cache(maxsize=1)
def reference() -> Reference:
    """The reference data of the configuration, read once."""
    return read_reference(config_folder() / "reference")


def read_reference(folder: Path) -> Reference:
    """Reads the three files of a folder.

    Raises:
        SettingsInvalid: a file cannot be read or lacks a part, with the name of each.
    """
    problems: list[str] = []
    regions = _part(folder / "regions.toml", "regions", problems)
    cycles = _part(folder / "priority_areas.toml", "cycles", problems)
    words = {
        name: _part(folder / "catalogue.toml", name, problems)
        for name in ("modalities", "levels", "registration_types")
    }
    seeds = {name: _cycle(name, fields, problems) for name, fields in cycles.items()}
    if problems:
        raise SettingsInvalid(problems)
    return Reference(
        regions,
        {name: each for name, each in seeds.items() if each is not None},
        words["modalities"],
        words["levels"],
        words["registration_types"],
    )


def _part(path: Path, name: str, problems: list[str]) -> dict[str, Any]:
    try:
        part = tomllib.loads(path.read_text(encoding="utf-8"))[name]
    except (OSError, UnicodeDecodeError):
        problems.append(f"{path} cannot be read")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path} is not TOML: {error}")
    except KeyError:
        problems.append(f"{path} has no part [{name}]")
    else:
        if isinstance(part, dict):
            return part
        problems.append(f"{path}: {name} is not a part")
    return {}


def _cycle(name: str, fields: Mapping[str, Any], problems: list[str]) -> Cycle | None:
    starts, ends = fields.get("starts_on"), fields.get("ends_on")
    # A time is a date, too, for Python.
    if type(starts) is not date or type(ends) not in (date, NoneType):
        problems.append(f'cycle "{name}": starts_on or ends_on is not a date such as 2026-03-31')
        return None
    return Cycle(
        name,
        str(fields.get("programme", "")),
        starts,
        ends,
        bool(fields.get("complete", False)),
        fields.get("most_per_centre"),
        tuple(fields.get("areas", ())),
    )
