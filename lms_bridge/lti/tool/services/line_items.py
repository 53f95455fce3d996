"""Line items: the columns of the platform's gradebook (Assignment and Grade Services 2.0, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import orjson
from pylti1p3.assignments_grades import AssignmentsGradesService, TAssignmentsGradersData
from pylti1p3.exception import LtiException

from lms_bridge.domain.errors import IncompleteRead, NotUnderstood
from lms_bridge.lti import vocabulary
from lms_bridge.lti.tool.connector import Connector, parsed
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.services.values import MOST_PAGES, decimal, number, text, with_query


@dataclass(frozen=True, slots=True)
class LineItem:
    """A column of the platform's gradebook. ``address`` is empty until the platform made it."""

    label: str
    maximum: Decimal = Decimal(100)
    resource_id: str = ""
    tag: str = ""
    resource_link_id: str = ""
    address: str = ""


def line_items(
    connector: Connector,
    grading: Grading,
    *,
    resource_id: str = "",
    tag: str = "",
    resource_link_id: str = "",
) -> list[LineItem]:
    """The line items of the course with these properties; all pages are read."""
    wanted = {"resource_id": resource_id, "tag": tag, "resource_link_id": resource_link_id}
    given = {name: value for name, value in wanted.items() if value}
    address: str | None = with_query(grading.line_items, given)
    found: list[LineItem] = []
    service = _service(connector, grading)
    for _ in range(MOST_PAGES):
        if not address:
            break
        page, address = _page(service, address)
        found.extend(_line_item(each) for each in page if isinstance(each, dict))
    else:
        raise IncompleteRead("line-items-endless", "The platform's line items have no end.")
    # Platforms may ignore filters that they do not know.
    return [
        each for each in found if all(getattr(each, name) == value for name, value in given.items())
    ]


def find_or_create(connector: Connector, grading: Grading, wanted: LineItem) -> LineItem:
    """The line item of that resource id and tag, made where there is none, so that asking twice
    makes one only."""
    found = line_items(connector, grading, resource_id=wanted.resource_id, tag=wanted.tag)
    return found[0] if found else create(connector, grading, wanted)


def create(connector: Connector, grading: Grading, wanted: LineItem) -> LineItem:
    answer = connector.call(
        "POST",
        grading.line_items,
        [vocabulary.LINE_ITEM],
        body=orjson.dumps(_document(wanted)),
        content_type=vocabulary.LINE_ITEM_TYPE,
        accept=vocabulary.LINE_ITEM_TYPE,
        repeatable=False,
    )
    return _line_item(parsed(answer))


def update(connector: Connector, wanted: LineItem) -> LineItem:
    """Changes the line item at its address."""
    answer = connector.call(
        "PUT",
        wanted.address,
        [vocabulary.LINE_ITEM],
        body=orjson.dumps({"id": wanted.address, **_document(wanted)}),
        content_type=vocabulary.LINE_ITEM_TYPE,
        accept=vocabulary.LINE_ITEM_TYPE,
    )
    return _line_item(parsed(answer)) if answer.body.strip() else wanted


def _page(service: AssignmentsGradesService, address: str) -> tuple[list[Any], str | None]:
    try:
        return service.get_lineitems_page(address)
    except LtiException:
        raise NotUnderstood(
            "line-items-unreadable", "The platform's line items cannot be read."
        ) from None


class _Service(AssignmentsGradesService):
    def can_read_lineitem(self) -> bool:
        return True  # the platform decides; some do not list their scopes


def _service(connector: Connector, grading: Grading) -> _Service:
    scope = vocabulary.LINE_ITEM_READ
    if grading.scopes and scope not in grading.scopes:
        scope = vocabulary.LINE_ITEM
    data = {"scope": [scope], "lineitems": grading.line_items, "lineitem": grading.line_item}
    return _Service(connector, cast(TAssignmentsGradersData, data))


def _document(item: LineItem) -> dict[str, object]:
    document = {
        "label": item.label,
        "scoreMaximum": number(item.maximum),
        "resourceId": item.resource_id,
        "tag": item.tag,
        "resourceLinkId": item.resource_link_id,
    }
    return {name: value for name, value in document.items() if value != ""}


def _line_item(body: Any) -> LineItem:
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise NotUnderstood("line-item-unreadable", "The platform's line item cannot be read.")
    return LineItem(
        label=text(body, "label"),
        maximum=decimal(body.get("scoreMaximum")) or Decimal(100),
        resource_id=text(body, "resourceId"),
        tag=text(body, "tag"),
        resource_link_id=text(body, "resourceLinkId"),
        address=body["id"],
    )
