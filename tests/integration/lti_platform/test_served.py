"""Which offerings a tool serves, as a teacher's page says it: the same as a launch would find."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, insert

from lms_bridge.domain.model import Kind, centre_system
from lms_bridge.lti import registrations
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform.launch import is_served, tool_for
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.store.database import Database
from lms_bridge.store.lti_tables import chosen_resource, resource
from lms_bridge.store.tables import link, offering
from tests.databases import BOTH
from tests.integration.web.filling import fill

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def add_tool(tx: Connection, centre: str, status: Status) -> int:
    tool = LtiRegistration(Side.TOOL, centre=centre, client_id=f"{centre}-{status}", status=status)
    return registrations.add(tx, tool).id


def add_link(tx: Connection, tool: int, offering_id: int) -> None:
    row = {"code": "L", "custom": {}, "created_at": NOW}
    tx.execute(insert(resource).values(registration_id=tool, offering_id=offering_id, **row))


def add_choice(tx: Connection, tool: int, offering_id: int, centre: str) -> None:
    row = {"code": "lti-choice", "item": {}, "created_at": NOW}
    tx.execute(insert(chosen_resource).values(registration_id=tool, **row))
    made = {"system": centre_system(centre), "kind": Kind.OFFERING, "record_id": offering_id}
    tx.execute(insert(link).values(centre=centre, external_id="lti-choice", **made))


@BOTH
@pytest.mark.parametrize(
    ("own", "linked", "chosen"),
    [
        ("", "", ""),
        ("active", "", ""),
        ("disabled", "", ""),
        ("", "active", ""),
        ("", "disabled", ""),
        ("", "", "active"),
        ("", "", "disabled"),
        ("", "disabled", "active"),
        ("active", "disabled", ""),
    ],
)
def test_a_page_and_a_launch_agree_on_whether_a_tool_serves_an_offering(
    database: Database, own: str, linked: str, chosen: str
) -> None:
    fill(database)
    with database.writing() as tx:
        row = tx.execute(offering.select().order_by(offering.c.id)).first()
        assert row is not None
        if own:
            add_tool(tx, row.centre, Status(own))
        if linked:
            add_link(tx, add_tool(tx, "LINKED", Status(linked)), row.id)
        if chosen:
            add_choice(tx, add_tool(tx, "CHOSEN", Status(chosen)), row.id, row.centre)
    with database.reading() as tx:
        try:
            launched = bool(tool_for(tx, row.id, row.centre))
        except LtiRefused:
            launched = False
    assert is_served(database, row.code) is launched
    assert not is_served(database, "no-such-offering")
