"""Finding connectors: by the entry point group ``lms_bridge.connectors``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import entry_points

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.ports import Connector

GROUP = "lms_bridge.connectors"


@lru_cache(maxsize=1)
def installed() -> Mapping[str, Connector]:
    """{name: connector} of everything that is installed."""
    return {
        entry.name: connector
        for entry in entry_points(group=GROUP)
        if isinstance(connector := entry.load(), Connector)
    }


def connector(name: str, side: str) -> Connector:
    """The connector of that name, for one side.

    Raises:
        SettingsInvalid: there is none, or it cannot stand on that side.
    """
    found = installed().get(name)
    if found is not None and side in found.sides:
        return found
    fit = ", ".join(sorted(key for key, each in installed().items() if side in each.sides))
    raise SettingsInvalid([f'connector "{name}" does not exist for a {side}; there are: {fit}'])
