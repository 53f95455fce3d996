"""The Academy's side without an Academy platform: the bridge's own store is the catalogue.

Offerings and results need to go nowhere, so every order is acknowledged as it stands. There is
nothing to read either: registrations come in through the bridge's own pages, files or API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.ports import Access, Connector, Done, Failed, Order, Outcomes


class Embedded:
    """Acknowledges offerings under their code and results under ``<offering>/<learner>``."""

    def write_offerings(self, orders: Sequence[Order]) -> Outcomes:
        return _acknowledged(orders, lambda wanted: str(wanted.get("code") or ""))

    def write_results(self, orders: Sequence[Order]) -> Outcomes:
        return _acknowledged(orders, _result_id)


def _result_id(wanted: Document) -> str:
    offering, learner = wanted.get("offering"), wanted.get("learner")
    return f"{offering}/{learner}" if offering and learner else ""


def _acknowledged(orders: Sequence[Order], name: Callable[[Document], str]) -> Outcomes:
    for order in orders:
        # The document of a removal names nothing: the id is the one acknowledged before.
        external_id = order.external_id or name(order.wanted)
        if external_id:
            yield Done(order.key, external_id)
        else:
            error = RecordRefused("no-id", "The record names neither a code nor a learner.")
            yield Failed(order.key, error)


def _open(access: Access) -> Embedded:
    del access  # there is nothing to reach
    return Embedded()


connector = Connector(
    name="embedded",
    title="The bridge's own catalogue and register",
    sides=frozenset({"academy"}),
    open=_open,
    needs_address=False,
)
