"""The ways to the platforms' services, each made once per process."""

from __future__ import annotations

import threading

from lms_bridge.domain.ports import Limits
from lms_bridge.http import Http
from lms_bridge.lti.parties import Party
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool.connector import Connector, Tokens

LIMITS = Limits(connect_seconds=5.0, read_seconds=30.0, attempts=3, backoff_most_seconds=10.0)


class Connections:
    """Connectors to platforms. One platform shares its connections, its circuit breaker and its
    tokens among all that call it."""

    def __init__(self, room: Room, limits: Limits = LIMITS) -> None:
        self._room, self._limits = room, limits
        self._tokens = Tokens()
        self._lock = threading.Lock()
        self._https: dict[tuple[str, bool], Http] = {}

    def to(self, party: Party) -> Connector:
        room = self._room
        return Connector(
            party,
            self._http(party),
            room.keyring.sign,
            self._tokens,
            clock=lambda: room.now().timestamp(),
        )

    def close(self) -> None:
        with self._lock:
            opened, self._https = list(self._https.values()), {}
        for http in opened:
            http.close()

    def _http(self, party: Party) -> Http:
        private = self._room.private_addresses or party.private_addresses
        with self._lock:
            place = (party.issuer, private)
            if place not in self._https:
                system = party.name or "the platform"
                self._https[place] = Http(self._limits, private_addresses=private, system=system)
            return self._https[place]
