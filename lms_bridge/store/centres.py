"""Centres: their secrets, which are kept encrypted, and their public profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from lms_bridge.domain.model import Centre
from lms_bridge.domain.network import CentreProfile
from lms_bridge.store.bulk import columns, upsert
from lms_bridge.store.catalogue_changes import note_centres
from lms_bridge.store.network_tables import centre_profile
from lms_bridge.store.run_tables import centre_check
from lms_bridge.store.tables import centre

_NAMES = [f.name for f in fields(Centre)]
_PROFILE = [f.name for f in fields(CentreProfile)]


def _centre(row: Any) -> Centre:
    return Centre(**{name: row._mapping[name] for name in _NAMES})


def _columns(record: Centre) -> dict[str, Any]:
    columns = {name: getattr(record, name) for name in _NAMES}
    return {**columns, "options": dict(record.options), "policy": dict(record.policy)}


def add(tx: Connection, record: Centre, secret: bytes) -> None:
    """``secret`` is encrypted already."""
    tx.execute(insert(centre).values(**_columns(record), secret=secret))
    note_centres(tx)


def change(tx: Connection, record: Centre, secret: bytes | None = None) -> None:
    """Changes a centre. A check of an earlier address or secret says nothing any more, and goes."""
    columns = _columns(record)
    before = find(tx, record.code)
    ways_in = (secret, before and (before.connector, before.address))
    if ways_in != (None, (record.connector, record.address)):
        tx.execute(delete(centre_check).where(centre_check.c.centre == record.code))
    if secret is not None:
        columns["secret"] = secret
    tx.execute(update(centre).where(centre.c.code == record.code).values(**columns))
    note_centres(tx)


def find(tx: Connection, code: str) -> Centre | None:
    row = tx.execute(select(centre).where(centre.c.code == code)).first()
    return None if row is None else _centre(row)


def secret_of(tx: Connection, code: str) -> bytes:
    """The encrypted secret; empty when there is none."""
    return tx.scalar(select(centre.c.secret).where(centre.c.code == code)) or b""


def all_centres(tx: Connection, *, active_only: bool = False) -> Sequence[Centre]:
    query = select(centre).order_by(centre.c.code)
    if active_only:
        query = query.where(centre.c.active)
    return [_centre(row) for row in tx.execute(query)]


def lock(tx: Connection, code: str) -> None:
    """Whoever else locks this centre waits until the transaction ends."""
    tx.execute(select(centre.c.code).where(centre.c.code == code).with_for_update())


def profiles(tx: Connection) -> Mapping[str, CentreProfile]:
    """{centre: profile} of those that have one."""
    return {row.centre: _profile(row) for row in tx.execute(select(centre_profile))}


def profile_of(tx: Connection, code: str) -> CentreProfile:
    """A centre's profile; an empty one where it has none."""
    row = tx.execute(select(centre_profile).where(centre_profile.c.centre == code)).first()
    return CentreProfile() if row is None else _profile(row)


def _profile(row: Row[Any]) -> CentreProfile:
    return CentreProfile(*(getattr(row, name) for name in _PROFILE))


def keep_profile(tx: Connection, code: str, record: CentreProfile) -> None:
    row = {"centre": code, **columns(record), "names": dict(record.names)}
    upsert(tx, centre_profile, [row], ["centre"], _PROFILE)
    note_centres(tx)
