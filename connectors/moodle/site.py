"""One opened Moodle: its client, its settings, its threads, and what is learnt once a session."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connectors.moodle.client import Client, Reply
from connectors.moodle.work import Pool
from lms_bridge.domain.errors import AccessDenied, NotUnderstood

GUEST, FIRST_ADMINISTRATOR = 1, 2
"""Accounts that a Moodle has from its installation."""

NO_DETAILS = AccessDenied(
    "no-details",
    "The service account cannot see people: rosters and look-ups would seem empty.",
    "Allow moodle/user:viewdetails to its role, in the system context. (If the site has neither "
    "its first administrator nor the guest any more, name another account in the option witness.)",
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the service account sees of other people. Moodle leaves out in silence what it may
    not see, so each of these, if False, makes absent what is there."""

    details: bool
    stable_ids: bool
    emails: bool


class Site:
    """Shared by the parts of the connector. Opening it makes no request."""

    def __init__(
        self, client: Client, address: str, settings: Mapping[str, Any], calls_at_once: int
    ) -> None:
        self.client = client
        self.address = address
        self.settings = settings
        self.pool = Pool(calls_at_once)
        self._lock = threading.RLock()
        self._sight: Sight | None = None
        self.all_groups_seen = False
        self.notes: dict[str, Any] = {}

    @cached_property
    def info(self) -> Reply:
        """Moodle's ``core_webservice_get_site_info``; its functions are the token's service."""
        reply = self.client.ask("core_webservice_get_site_info")
        if not isinstance(reply.value, dict) or "userid" not in reply.value:
            raise NotUnderstood("not-moodle", "The answer about the site is not that of a Moodle.")
        return reply

    @cached_property
    def functions(self) -> frozenset[str]:
        listed = self.info.value.get("functions") or []
        return frozenset(str(entry.get("name")) for entry in listed)

    @property
    def sight(self) -> Sight:
        """What can be seen of other people, found out once a session.

        Moodle always shows an account to itself, so only other accounts can tell. ``username``
        is shown under the same condition as ``idnumber`` (moodle/user:viewalldetails), and unlike
        it is never empty.
        """
        with self._lock:
            if self._sight is None:
                self._sight = self._look()
            return self._sight

    def _look(self) -> Sight:
        chosen = self.settings["witness"]
        ids = [chosen] if chosen else [GUEST, FIRST_ADMINISTRATOR]
        rows = self.client.rows("core_user_get_users_by_field", {"field": "id", "values": [*ids]})
        others = [row for row in rows if row.get("id") != self.info.value["userid"]]
        return Sight(
            details=bool(others),
            stable_ids=any("username" in row for row in others),
            emails=bool(others) and all("email" in row for row in others),
        )

    def require_details(self) -> None:
        if not self.sight.details:
            raise NO_DETAILS

    def close(self) -> None:
        self.client.close()
        self.pool.close()


class Part:
    """A part of the connector: one capability on a shared site."""

    def __init__(self, site: Site) -> None:
        self._site = site
