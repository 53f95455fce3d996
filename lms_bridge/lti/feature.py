"""LTI as the bridge holds it: one context and one set of service clients per process."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.bridge import Bridge
from lms_bridge.domain.lti_ports import LtiSystem
from lms_bridge.domain.ports import Limits
from lms_bridge.lti import registrations
from lms_bridge.lti.context import open_lti
from lms_bridge.lti.platform.score_results import apply_scores
from lms_bridge.lti.relay import gradebooks, unopened
from lms_bridge.lti.system_connections import SystemConnections
from lms_bridge.lti.tool.service_client import ServiceClients
from lms_bridge.secrets import Vault
from lms_bridge.settings import Settings
from lms_bridge.store.database import Database
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.targets import Target

_log = structlog.get_logger(__name__)


class LtiFeature:
    """Making one asks neither the database nor the network.

    ``context`` is what both sides of LTI share; ``clients`` call the services of platforms.
    """

    def __init__(self, settings: Settings, database: Database, vault: Vault) -> None:
        self.context = open_lti(settings, database, vault)
        self.clients = ServiceClients(self.context, gradebooks.LIMITS)

    def system(self, centre: str, limits: Limits) -> LtiSystem:
        return SystemConnections(self.context, centre, limits)

    def gradebooks(self, centre: str) -> Mapping[str, Target]:
        return gradebooks.gradebooks(self.context, self.clients, centre)

    def apply_scores(self, tx: Connection, context: RunContext) -> None:
        apply_scores(tx, context)
        unopened.complete_origins(tx, context)

    def warm_keys(self) -> None:
        """Begins to fetch the keys of all active connections, so that the first launch need not."""
        threading.Thread(target=self._warm_keys, name="warm-keys", daemon=True).start()

    def _warm_keys(self) -> None:
        try:
            with self.context.database.reading() as tx:
                found = registrations.all_registrations(tx)
        except SQLAlchemyError as error:  # the first launch fetches them, then
            _log.warning("keys not fetched", error=type(error).__name__)
            return
        for each in found:
            if each.active:
                self.context.keysets.warm(self.context.keys_of(each))

    def close(self) -> None:
        self.clients.close()
        self.context.close()


def lti_of(bridge: Bridge) -> LtiFeature:
    """The LTI feature of a bridge that ``lms_bridge.bootstrap`` made."""
    if not isinstance(bridge.lti, LtiFeature):
        raise TypeError("this bridge was not made by lms_bridge.bootstrap")
    return bridge.lti
