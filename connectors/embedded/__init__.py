"""Connector ``embedded``: no Academy platform. The bridge's own store is the catalogue.

Offerings and results are sent nowhere, so every request is acknowledged at once. Nothing is read
either: registrations arrive through the bridge's own pages, files or API.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.ports import (
    Connector,
    SystemAccess,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)


class Embedded:
    """Acknowledges offerings under their code and results under ``<offering>/<learner>``."""

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return _acknowledged(requests, lambda document: str(document.get("code") or ""))

    def write_results(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return _acknowledged(requests, _result_id)


def _result_id(document: Document) -> str:
    offering, learner = document.get("offering"), document.get("learner")
    return f"{offering}/{learner}" if offering and learner else ""


def _acknowledged(
    requests: Sequence[WriteRequest], record_id: Callable[[Document], str]
) -> WriteResults:
    for request in requests:
        # The document of a removal holds no ids, so the id from before is used.
        external_id = request.external_id or record_id(request.desired)
        if external_id:
            yield Written(request.key, external_id)
        else:
            error = RecordRefused("no-id", "The record names neither a code nor a learner.")
            yield WriteFailed(request.key, error)


def _open(access: SystemAccess) -> Embedded:
    del access  # there is no outside system
    return Embedded()


connector = Connector(
    name="embedded",
    title="The bridge's own catalogue and register",
    sides=frozenset({"academy"}),
    open=_open,
    needs_address=False,
)
