"""The Academy's side: capabilities, each in one line, over the modules that do the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from connectors.academy_http import batches, pages, probing
from connectors.academy_http.client import Client
from lms_bridge.domain.ports import Finding, Order, Outcomes, Reading


class Academy:
    """An Academy platform with the contract of docs/academy-api.md. Safe for threads."""

    def __init__(self, client: Client, *, page_size: int) -> None:
        self._client = client
        self._page_size = page_size

    def write_offerings(self, orders: Sequence[Order]) -> Outcomes:
        return batches.put(self._client, batches.OFFERINGS, orders)

    def write_results(self, orders: Sequence[Order]) -> Outcomes:
        return batches.put(self._client, batches.RESULTS, orders)

    def show_offerings(self, external_ids: Sequence[str]) -> Reading:
        return pages.offerings(self._client, external_ids)

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Reading:
        """All of the centre's, also those in offerings that the bridge does not know yet."""
        del offerings
        return pages.everything(self._client, centre, self._page_size)

    def registrations_since(
        self, centre: str, offerings: Mapping[str, str], cursor: str
    ) -> Reading:
        del offerings
        return pages.changes(self._client, centre, self._page_size, cursor)

    def probe(self) -> Iterator[Finding]:
        return probing.probe(self._client)

    def close(self) -> None:
        self._client.close()
