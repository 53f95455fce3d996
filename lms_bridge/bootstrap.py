"""The composition root: from settings to a bridge that is ready to work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lms_bridge.bridge import Bridge
from lms_bridge.lti.feature import LtiFeature
from lms_bridge.secrets import Vault
from lms_bridge.settings import Settings
from lms_bridge.store.database import Database
from lms_bridge.store.migrate import check_up_to_date
from lms_bridge.sync.lease_renewer import LeaseRenewer


def build(settings: Settings, *, check_schema: bool = True) -> Bridge:
    """A bridge over the settings' database. Without ``check_schema`` the database may be new: then
    its file is made.

    Raises:
        SettingsInvalid: the key or the database cannot be used as they are.
    """
    database = Database(settings.store.address)
    if check_schema:
        check_up_to_date(database)
    elif database.file is not None:
        _make_private(database.file)
    vault = Vault.from_settings(settings.secrets.key, Path(settings.secrets.key_file))
    return assemble(settings, database, vault)


def assemble(settings: Settings, database: Database, vault: Vault) -> Bridge:
    """A bridge of these parts. It uses neither the database nor the network."""
    lti = LtiFeature(settings, database, vault)
    return Bridge(settings, database, vault, LeaseRenewer(database), lti)


def _make_private(file: Path) -> None:
    """Makes the database's file, for its owner alone: it holds personal data. (Those beside it, of
    the write-ahead log, get the same rights.) Opening it reports a failure."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)


@contextmanager
def open_bridge(settings: Settings, *, check_schema: bool = True) -> Iterator[Bridge]:
    bridge = build(settings, check_schema=check_schema)
    try:
        yield bridge
    finally:
        bridge.close()
