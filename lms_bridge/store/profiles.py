"""Public profiles of centres."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from lms_bridge.domain.network import CentreProfile
from lms_bridge.store.bulk import columns, upsert
from lms_bridge.store.catalogue_changes import note_centres
from lms_bridge.store.network_tables import centre_profile

_NAMES = tuple(CentreProfile.__dataclass_fields__)


def profiles(tx: Connection, centre: str = "") -> Mapping[str, CentreProfile]:
    """{centre: profile} of those that have one."""
    query = select(centre_profile)
    if centre:
        query = query.where(centre_profile.c.centre == centre)
    return {
        row.centre: CentreProfile(*(getattr(row, name) for name in _NAMES))
        for row in tx.execute(query)
    }


def keep_profile(tx: Connection, centre: str, record: CentreProfile) -> None:
    row = {"centre": centre, **columns(record), "names": dict(record.names)}
    upsert(tx, centre_profile, [row], ["centre"], _NAMES)
    note_centres(tx)
