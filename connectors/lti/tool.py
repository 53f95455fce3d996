"""A centre whose LMS is an LTI tool. The bridge launches learners into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from lms_bridge.connectors.lti.probe import probe_tools
from lms_bridge.domain.document import ITU_FIELDS
from lms_bridge.domain.errors import StopRun
from lms_bridge.domain.lti_ports import ChosenResource, LtiSide, LtiSystem
from lms_bridge.domain.model import Modality, OfferingStatus
from lms_bridge.domain.ports import (
    Page,
    Pages,
    ProbeFinding,
    RawRecord,
    Removal,
    WriteRequest,
    WriteResults,
    Written,
)

CHOSEN = "chosen"
"""The scope of the only answer, which holds all offerings."""


class ToolCentre:
    """Offerings are the resources that were chosen from the tool by deep linking.

    The tool reads enrolments from the bridge's memberships service, and sends results as scores.
    The id of an account is the learner's id at the Academy.
    """

    def __init__(self, lti: LtiSystem) -> None:
        self._lti = lti

    def read_offerings(self) -> Pages:
        chosen = self._lti.chosen()
        body = tuple(orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in chosen)
        yield Page(CHOSEN, body, lambda: [offering_of(each) for each in chosen])

    def external_id_of(self, offering: str) -> str:
        return offering

    def write_enrolments(self, requests: Sequence[WriteRequest], removal: Removal) -> WriteResults:
        """Acknowledges every request, since the memberships service shows the records at once.

        Raises:
            StopRun: no active tool is connected that could read them.
        """
        del removal
        tools = [each for each in self._lti.connections() if each.side is LtiSide.TOOL]
        if not any(each.active for each in tools):
            raise StopRun(
                "no-tool",
                "No active tool of this centre is connected, so no tool can read the enrolments.",
                "Connect it with `lms-bridge lti invite`, or approve it with `lms-bridge lti "
                "approve`.",
            )
        for request in requests:
            yield Written(
                request.key, f"{request.desired['offering']}/{request.desired['account']}"
            )

    def probe(self) -> Iterator[ProbeFinding]:
        return probe_tools(self._lti)

    def close(self) -> None:
        self._lti.close()


def offering_of(resource: ChosenResource) -> RawRecord:
    """The offering that a resource stands for. Source: Deep Linking 2.0, section 3.2.

    Its fields come from the content item and its custom parameters ``itu_…``. An offering without a
    status is published if its dates are known or it is self-paced. Otherwise it is planned.
    """
    fields: dict[str, object] = {"title": resource.title, "description": resource.description}
    given = {"starts_at": resource.starts_at, "ends_at": resource.ends_at}
    for name, custom in ITU_FIELDS.items():
        given[name] = resource.custom.get(custom, "")
    fields |= {name: text for name, text in given.items() if text}
    if "status" not in fields:
        dated = "starts_at" in fields or _self_paced(fields.get("modality"))
        fields["status"] = str(OfferingStatus.PUBLISHED if dated else OfferingStatus.PLANNED)
    return RawRecord(resource.code, fields)


def _self_paced(modality: object) -> bool:
    """Compares as the schema does: by value or label, in any case."""
    text = "".join(letter for letter in str(modality).casefold() if letter.isalnum())
    return text == "".join(letter for letter in Modality.SELF_PACED if letter.isalnum())
