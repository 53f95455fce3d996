"""Deep linking: the answer that puts offerings of the Academy into a course.

Source: Deep Linking 2.0, sections 3 (content items) and 4.5 (the response message).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pylti1p3.deep_link import DeepLink, TDeepLinkData
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.lineitem import LineItem

from lms_bridge.lti import vocabulary
from lms_bridge.lti.parties import Party
from lms_bridge.lti.tool.configuration import registration_of
from lms_bridge.lti.tool.launch import Selection

OFFERING = "offering"
"""The custom parameter that names the offering, by its code."""
SCORE_MAXIMUM = 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """An offering that was picked."""

    code: str
    title: str
    text: str = ""


class Answer(DeepLink):
    """PyLTI1p3's response, signed by the key ring, with only what was asked for in it."""

    def __init__(
        self,
        party: Party,
        deployment_id: str,
        selection: Selection,
        sign: Callable[[Mapping[str, Any]], str],
    ) -> None:
        settings = {"deep_link_return_url": selection.return_address, "data": selection.data}
        super().__init__(registration_of(party), deployment_id, cast(TDeepLinkData, settings))
        self._selection, self._sign = selection, sign

    def get_message_jwt(self, resources: Sequence[DeepLinkResource]) -> dict[str, object]:
        message = super().get_message_jwt(resources)
        message["sub"] = message["iss"]  # some platforms miss it
        if self._selection.data is None:  # data must not be there unless it was sent
            message.pop(vocabulary.DL_DATA, None)
        return message

    def encode_jwt(self, message: Mapping[str, Any]) -> str:
        return self._sign(message)

    def response(self, chosen: Sequence[Chosen], launch_address: str) -> str:
        """The signed response with these offerings; none at all means "nothing chosen"."""
        several = chosen if self._selection.several else chosen[:1]
        return self.get_response_jwt([self._item(each, launch_address) for each in several])

    def _item(self, chosen: Chosen, launch_address: str) -> DeepLinkResource:
        item = _Item(chosen.text, self._selection.targets)
        item.set_title(chosen.title).set_url(launch_address)
        item.set_custom_params({OFFERING: chosen.code})
        if self._selection.line_items:
            line = LineItem().set_label(chosen.title).set_score_maximum(SCORE_MAXIMUM)
            item.set_lineitem(line.set_resource_id(chosen.code).set_tag("result"))
        return item


class _Item(DeepLinkResource):
    def __init__(self, text: str, targets: Sequence[str]) -> None:
        self._text, self._targets = text, targets

    def to_dict(self) -> dict[str, object]:
        item = super().to_dict()
        if self._text:
            item["text"] = self._text
        if "window" in self._targets:  # a course opens best in a window of its own
            item["window"] = {"targetName": "_blank"}
        return item
