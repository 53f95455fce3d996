"""An offering's resources: what is attached of a centre's LMS, and the way to choose more."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, render_template, request

from lms_bridge.domain.errors import NotFound
from lms_bridge.lti import parties
from lms_bridge.lti.parties import Side
from lms_bridge.lti.platform.links import choice_link
from lms_bridge.store.offerings import offerings_by_code
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.connections.answering import onward, typed
from lms_bridge.web.queries import connections as queries

_log = structlog.get_logger(__name__)
PERSON = "operator"
MOST = 500


def add_to(pages: Blueprint) -> None:
    pages.add_url_rule("/offering", "show_offering", show_offering)
    pages.add_url_rule("/choice", "choose", choose, methods=["POST"])


def show_offering() -> str:
    code = request.args.get("code", "").strip()
    with the_bridge().database.reading() as tx:
        found = offerings_by_code(tx, [code]).get(code)
        if found is None:
            raise NotFound("no-such-offering", "There is no offering with this code.")
        attached = queries.attached(tx, most=MOST, offering_id=found[0])
        tools = parties.all_parties(tx, Side.TOOL)
    linked = {row.party_id for row in attached}
    serving = [
        tool
        for tool in tools
        if tool.active and (tool.id in linked or tool.centre == found[1].centre)
    ]
    return render_template(
        "connections/offering.html",
        offering=found[1],
        attached=attached,
        tools=[tool for tool in serving if tool.deep_link_uri],
        without_choice=[tool for tool in serving if not tool.deep_link_uri],
    )


def choose() -> Response:
    """Deep linking as an operator: the tool is told of no person. Without an offering, what is
    chosen is to become offerings of the centre."""
    offering, centre = typed("offering"), typed("centre")
    number = request.form.get("connection", 0, type=int)
    room = the_bridge().room
    address = choice_link(room, offering, person=PERSON, party_id=number, centre=centre)
    _log.info("choice of resources begun", connection=number, offering=offering, centre=centre)
    return onward(address, "To the choice of resources")
