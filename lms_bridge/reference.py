"""Reference data of config/reference: regions, priority areas by cycle, words of the catalogue."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.settings import config_folder


@dataclass(frozen=True, slots=True)
class Cycle:
    """One period of the partner programme. ``complete`` is False where the list of areas is known
    in part only; ``most_per_centre`` is None where no limit is known."""

    name: str
    programme: str
    areas: tuple[str, ...]
    complete: bool = False
    most_per_centre: int | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """``regions``, ``modalities``, ``levels`` and ``registration_types`` are {key: label}."""

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
    if problems:
        raise SettingsInvalid(problems)
    return Reference(
        regions,
        {name: _cycle(name, fields) for name, fields in cycles.items()},
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


def _cycle(name: str, fields: Mapping[str, Any]) -> Cycle:
    return Cycle(
        name,
        str(fields.get("programme", "")),
        tuple(fields.get("areas", ())),
        bool(fields.get("complete", False)),
        fields.get("most_per_centre"),
    )
