"""A centre whose LMS is a tool: the bridge launches learners into it, and serves it the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import orjson

from connectors.lti.offerings import offering
from connectors.lti.probing import probe_tools
from lms_bridge.domain.errors import StopRun
from lms_bridge.domain.lti_ports import ChosenResource, LtiSide, LtiSystem
from lms_bridge.domain.ports import (
    Answer,
    Done,
    Finding,
    Order,
    Outcomes,
    Raw,
    Reading,
    Removal,
)

CHOSEN = "chosen"
"""The scope of the one answer with all offerings."""


class ToolCentre:
    """Offerings are the resources that were chosen from the tool. Enrolments are served: the tool
    asks the bridge's memberships service, which answers from the canonical records. Results come
    as scores. People have no accounts but the Academy's ids."""

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti

    def read_offerings(self) -> Reading:
        chosen = self._lti.chosen()
        yield Answer(CHOSEN, tuple(map(_bytes, chosen)), partial(_records, chosen))

    def external_id_of(self, offering: str) -> str:
        return offering

    def write_enrolments(self, orders: Sequence[Order], removal: Removal) -> Outcomes:
        """What is acknowledged is what the memberships service says from now on.

        Raises:
            StopRun: no tool is there that could be told.
        """
        del removal
        tools = [each for each in self._lti.connections() if each.side is LtiSide.TOOL]
        if not any(each.active for each in tools):
            raise StopRun(
                "no-tool",
                "No active tool of this centre is connected, so that nobody is told who is "
                "enrolled.",
                "Connect it with `lms-bridge lti invite`, or approve it with `lms-bridge lti "
                "approve`.",
            )
        for order in orders:
            yield Done(order.key, f"{order.wanted['offering']}/{order.wanted['account']}")

    def probe(self) -> Iterator[Finding]:
        return probe_tools(self._lti)

    def close(self) -> None:
        self._lti.close()


def _bytes(resource: ChosenResource) -> bytes:
    return orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)


def _records(chosen: Sequence[ChosenResource]) -> list[Raw]:
    return [offering(resource) for resource in chosen]
