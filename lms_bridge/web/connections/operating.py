"""`/connections`: all connections, and what operators decide on them."""

from __future__ import annotations

from dataclasses import replace

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.domain.errors import NotFound
from lms_bridge.lti import connecting, deciding, parties, values
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party, PersonId, Privacy, Side
from lms_bridge.store import centres
from lms_bridge.sync.auditing import PAGE, By
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.connections import choosing
from lms_bridge.web.connections.answering import check_own_form, refused, typed
from lms_bridge.web.paging import SIZE, Paging, asked_page
from lms_bridge.web.queries import connections as queries

_log = structlog.get_logger(__name__)
pages = Blueprint("connections", __name__, url_prefix="/connections", template_folder="templates")
pages.register_error_handler(LtiRefused, refused)
choosing.add_to(pages)
MOST_RESOURCES = 200
_NUMBER = "/<int(max=999999999999999999):number>"


@pages.before_request
def _check_form() -> None:
    """Nobody is signed in here: whoever reaches these pages may act, so that another site must not
    be able to make their browser act."""
    if request.method == "POST":
        check_own_form(origin_required=True)


@pages.get("")
def show() -> str:
    return _list()


@pages.post("/link")
def make_link() -> str:
    """The link for a centre's administrator. It is shown once, and nowhere kept."""
    code = typed("centre")
    if code:
        the_bridge().centre(code)
    link = connecting.make_link(the_bridge().room, code)
    _log.info("connect link made", centre=code)
    return _list(link=link, link_for=code)


def _list(link: str = "", link_for: str = "") -> str:
    page = asked_page()
    with the_bridge().database.reading() as tx:
        paging = Paging(page, queries.count(tx))
        rows = queries.listed(tx, limit=SIZE, offset=paging.offset)
        known = centres.all_centres(tx, active_only=True)
    return render_template(
        "connections/list.html",
        rows=rows,
        paging=paging,
        centres=known,
        link=link,
        link_for=link_for,
        hours=the_bridge().settings.lti.invitation_hours,
    )


@pages.get(_NUMBER)
def show_one(number: int) -> str:
    address = the_bridge().room.address
    with the_bridge().database.reading() as tx:
        party = parties.find(tx, number)
        if party is None:
            raise NotFound("no-such-party", f"There is no connection {number}, or no longer.")
        centre = centres.find(tx, party.centre) if party.centre else None
        attached = queries.attached(tx, most=MOST_RESOURCES + 1, party_id=number)
        offerings = queries.offerings_of(tx, party.centre) if party.centre else []
    is_tool = party.side is Side.TOOL
    return render_template(
        "connections/one.html",
        party=party,
        is_tool=is_tool,
        centre=centre,
        seen=deciding.fingerprint(party),
        values=values.for_a_tool(address, party.client_id, party.deployment_ids)
        if is_tool
        else values.for_a_platform(address),
        attached=attached[:MOST_RESOURCES],
        more=len(attached) > MOST_RESOURCES,
        offerings=offerings,
    )


@pages.post(f"{_NUMBER}/approval")
def approve(number: int) -> ResponseReturnValue:
    """Also keeps other choices for one that is active, and turns a disabled one on again."""
    with the_bridge().database.writing() as tx:
        party = deciding.find(tx, number)
        deciding.check_seen(party, request.form.get("seen", ""))
        party = deciding.approve(tx, party, _with_choices(party), by_operator())
    _note("connection approved", party, **_chosen(party))
    return _back(number)


def _with_choices(party: Party) -> Party:
    """A box that is not ticked is not sent."""
    if party.side is Side.PLATFORM:
        sourced = request.form.get("person_id") == PersonId.SOURCED_ID
        return replace(party, person_id=PersonId.SOURCED_ID if sourced else PersonId.SUB)
    ticked = {name: name in request.form for name in Privacy.__slots__}
    window = request.form.get("opens_in") == "window"
    return replace(party, privacy=Privacy(**ticked), opens_in="window" if window else "")


def _chosen(party: Party) -> dict[str, object]:
    if party.side is Side.PLATFORM:
        return {"person_id": str(party.person_id)}
    return {"personal_data": [n for n in Privacy.__slots__ if getattr(party.privacy, n)]}


@pages.post(f"{_NUMBER}/rejection")
def reject(number: int) -> ResponseReturnValue:
    with the_bridge().database.writing() as tx:
        party = deciding.find(tx, number)
        status = deciding.reject(tx, party, by_operator())
    _note("connection rejected" if status is None else "connection disabled", party)
    return redirect(url_for("connections.show"), 303) if status is None else _back(number)


@pages.post(f"{_NUMBER}/deployments")
def add_deployment(number: int) -> ResponseReturnValue:
    with the_bridge().database.writing() as tx:
        party = deciding.find(tx, number)
        deployment = request.form.get("deployment_id", "").strip()
        party = deciding.add_deployment(tx, party, deployment, by_operator())
    _note("deployment added", party)
    return _back(number)


def by_operator() -> By:
    """Nobody is signed in: the audit knows the page alone."""
    return By("operations page", PAGE, the_bridge().room.now())


def _note(event: str, party: Party, **more: object) -> None:
    _log.info(event, connection=party.id, side=str(party.side), centre=party.centre, **more)


def _back(number: int) -> ResponseReturnValue:
    return redirect(url_for("connections.show_one", number=number), 303)
