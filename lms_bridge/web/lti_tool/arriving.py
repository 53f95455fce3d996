"""What a launch shows until something else is made of it: where from, as whom, which offering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Response
from sqlalchemy import bindparam, select

from lms_bridge.lti.tool.deep_linking import OFFERING
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.tool import Tool
from lms_bridge.store.tables import offering
from lms_bridge.web.lti_tool.answering import frames_of, page


def show(launch: Launch, tool: Tool) -> Response:
    return page(
        "arrived.html",
        frames=frames_of(launch),
        launch=launch,
        offering=offering_of(launch, tool),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """An offering, as far as the page shows it."""

    code: str
    title: str


_BY_CODE = select(offering.c.code, offering.c.title).where(offering.c.code == bindparam("wanted"))


def offering_of(launch: Launch, tool: Tool) -> Named | None:
    """The offering that the link names; else the one that the course is called after."""
    with tool.room.database.reading() as tx:
        for code in _codes(launch):
            row = tx.execute(_BY_CODE, {"wanted": code}).first()
            if row is not None:
                return Named(row.code, row.title)
    return None


def _codes(launch: Launch) -> Iterator[str]:
    named = launch.custom.get(OFFERING, "")
    if named:
        yield named
        return  # a link that names an offering means no other
    if launch.context is not None:
        yield from filter(None, (launch.context.section, launch.context.label))
