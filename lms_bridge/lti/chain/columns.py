"""The columns of one platform's gradebook: those that it told of, and those found or made there."""

from __future__ import annotations

from lms_bridge.domain.errors import RecordRefused, StopRun
from lms_bridge.domain.model import Offering
from lms_bridge.lti.tool.connector import Connector
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.services import LineItem, find_or_create, line_items
from lms_bridge.lti.vocabulary import LINE_ITEM, LINE_ITEM_READ
from lms_bridge.store.lti_visits import Visit

TAG = "lms-bridge"
Place = tuple[int, str]
"""An offering's number, and the address of the line items of the platform's course."""


class Columns:
    """``news`` are line items that no launch told of: {place: (address before, address)}.

    What cannot be had of one course is refused for that course alone, and asked for once.
    """

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        self.news: dict[Place, tuple[str, str]] = {}
        self._found: dict[Place, tuple[str, str]] = {}
        self._refused: dict[Place, RecordRefused] = {}

    def of(self, visit: Visit, offering: Offering) -> str:
        """The address of the line item for a visit's score.

        Raises:
            RecordRefused: the platform told of none, and none can be found or made.
            RetryLater: it does not answer now.
        """
        found = self._found.get(_place(visit))
        if found is not None and visit.line_item in found:
            return found[1]
        return visit.line_item or self._look(visit, offering)

    def another(self, visit: Visit, offering: Offering, lost: str) -> str:
        """The address of the line item to use in place of one that is not found there any more;
        the same where it is still listed, and "" where the platform lists none.

        Raises:
            RecordRefused, RetryLater: as above.
        """
        if not visit.line_items or not _may_list(visit):
            return ""
        try:
            listed = line_items(self.connector, _grading(visit))
        except StopRun as error:
            raise _refusal(error) from None
        if any(each.address == lost for each in listed):
            return lost
        return self._look(visit, offering)

    def _look(self, visit: Visit, offering: Offering) -> str:
        place = _place(visit)
        if place in self._refused:
            raise self._refused[place]
        try:
            address = self._find(visit, offering)
        except StopRun as error:
            self._refused[place] = _refusal(error)
            raise self._refused[place] from None
        except RecordRefused as error:
            self._refused[place] = error
            raise
        self._found[place] = self.news[place] = (visit.line_item, address)
        return address

    def _find(self, visit: Visit, offering: Offering) -> str:
        wanted = LineItem(offering.title[:255], resource_id=offering.code, tag=TAG)
        if LINE_ITEM in visit.scopes or not visit.scopes:
            return find_or_create(self.connector, _grading(visit), wanted).address
        listed = (
            line_items(
                self.connector, _grading(visit), resource_id=wanted.resource_id, tag=wanted.tag
            )
            if _may_list(visit)
            else []
        )
        if not listed:
            raise RecordRefused(
                "line-item-missing",
                "The platform's course has no column for this offering, and lets the bridge make "
                "none.",
                "Let the tool manage line items there, or give the link a grade column.",
            )
        return listed[0].address


def _place(visit: Visit) -> Place:
    return visit.offering_id, visit.line_items


def _grading(visit: Visit) -> Grading:
    return Grading(visit.line_items, visit.line_item, frozenset(visit.scopes))


def _may_list(visit: Visit) -> bool:
    return not visit.scopes or bool({LINE_ITEM, LINE_ITEM_READ} & set(visit.scopes))


def _refusal(error: StopRun) -> RecordRefused:
    return RecordRefused(error.code, f"The column could not be had: {error.message}", error.remedy)
