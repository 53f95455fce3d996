"""Deep linking: the answer that puts offerings of the Academy into a course.

Source: Deep Linking 2.0, sections 3 (content items) and 4.5 (the response message).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pylti1p3.deep_link import DeepLink, TDeepLinkData
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.lineitem import LineItem
from pylti1p3.registration import Registration

from lms_bridge.lti import vocabulary
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.tool.launch import Selection

OFFERING = "offering"
"""The custom parameter that names the offering, by its code."""
SCORE_MAXIMUM = 100


@dataclass(frozen=True, slots=True)
class PickedOffering:
    """An offering that was picked."""

    code: str
    title: str
    text: str = ""


def message(
    registration: LtiRegistration,
    deployment_id: str,
    selection: Selection,
    chosen: Sequence[PickedOffering],
    launch_address: str,
) -> dict[str, Any]:
    """The claims of the response with these offerings, with only the requested parts; none at
    all means "nothing chosen"."""
    issuer = Registration().set_issuer(registration.issuer).set_client_id(registration.client_id)
    settings = {"deep_link_return_url": selection.return_address}
    link = DeepLink(issuer, deployment_id, cast(TDeepLinkData, settings))
    several = chosen if selection.several else chosen[:1]
    claims = link.get_message_jwt([_item(each, selection, launch_address) for each in several])
    claims["sub"] = claims["iss"]  # some platforms miss it
    claims.pop(vocabulary.DL_DATA, None)  # must not be there unless it was sent
    return claims if selection.data is None else {**claims, vocabulary.DL_DATA: selection.data}


def _item(chosen: PickedOffering, selection: Selection, launch_address: str) -> DeepLinkResource:
    item = _Item(chosen.text, selection.targets)
    item.set_title(chosen.title).set_url(launch_address)
    item.set_custom_params({OFFERING: chosen.code})
    if selection.line_items:
        line = LineItem().set_label(chosen.title).set_score_maximum(SCORE_MAXIMUM)
        item.set_lineitem(line.set_resource_id(chosen.code).set_tag("result"))
    return item


class _Item(DeepLinkResource):
    """PyLTI1p3's resource with the two properties that it does not know."""

    def __init__(self, text: str, targets: Sequence[str]) -> None:
        self._text, self._targets = text, targets

    def to_dict(self) -> dict[str, object]:
        item = super().to_dict()
        if self._text:
            item["text"] = self._text
        if "window" in self._targets:  # a course opens best in a window of its own
            item["window"] = {"targetName": "_blank"}
        return item
