"""`/connections`: all connections, and the decisions of operators."""

from __future__ import annotations

from dataclasses import replace

import structlog
from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import Connection, case, select

from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import NotFound
from lms_bridge.lti import approval, connect_links, deployments, registrations, replacement
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.http_requests import the_lti
from lms_bridge.lti.pages.forms import chosen_number, onward, refused, typed
from lms_bridge.lti.platform.launch import choice_link
from lms_bridge.lti.platform.storage import Rows
from lms_bridge.lti.refusals import NOBODY
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Privacy, Side, Status
from lms_bridge.store import centres
from lms_bridge.store.list_pages import ListPage, ListPlace, list_page
from lms_bridge.store.lti_tables import line_item, registration, resource
from lms_bridge.store.offerings import offerings_by_code
from lms_bridge.store.tables import centre, offering
from lms_bridge.web.access import current_actor, needs, the_bridge
from lms_bridge.web.paging import SIZE, addresses_beside, place_param

MOST_OFFERINGS = 500


def listed_connections(tx: Connection, at: ListPlace, *, most: int) -> ListPage:
    """All columns of the connections, and ``centre_name``: those that wait first, the oldest
    before the others; then by centre."""
    waits = registration.c.status == Status.PENDING.value
    query = select(registration, centre.c.name.label("centre_name"))
    query = query.outerjoin(centre, centre.c.code == registration.c.centre)
    order = (
        case((waits, 0), else_=1),
        case((waits, registration.c.id), else_=0),
        registration.c.centre,
        registration.c.id,
    )
    return list_page(tx, query, order, at, most=most)


def attached_resources(tx: Connection, *, most: int, **equal: int) -> Rows:
    """Resources with these values, each with its offering, its connection's name, and the most
    points of its line item, if it has one."""
    conditions = [resource.c[name] == value for name, value in equal.items()]
    points = (
        select(line_item.c.score_maximum)
        .where(line_item.c.resource_link_id == resource.c.id)
        .order_by(line_item.c.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = tx.execute(
        select(
            resource,
            offering.c.code.label("offering_code"),
            offering.c.title.label("offering_title"),
            registration.c.name.label("registration_name"),
            points.label("points"),
        )
        .join(offering, offering.c.id == resource.c.offering_id)
        .join(registration, registration.c.id == resource.c.registration_id)
        .where(*conditions)
        .order_by(offering.c.code, resource.c.id)
        .limit(most)
    )
    return rows.all()


def offerings_with_resources(tx: Connection, centre_code: str) -> Rows:
    """``code`` and ``title`` of a centre's offerings, the newest first, for a choice."""
    rows = tx.execute(
        select(offering.c.code, offering.c.title)
        .where(offering.c.centre == centre_code)
        .order_by(offering.c.id.desc())
        .limit(MOST_OFFERINGS)
    )
    return rows.all()


_log = structlog.get_logger(__name__)
PERSON = "operator"
MOST = 500


def add_choosing_to(pages: Blueprint) -> None:
    pages.add_url_rule("/offering", "show_offering", show_offering)
    pages.add_url_rule("/choice", "choose", choose, methods=["POST"])


@needs(Scope.ADMINISTER)
def show_offering() -> str:
    code = request.args.get("code", "").strip()
    with the_bridge().database.reading() as tx:
        found = offerings_by_code(tx, [code]).get(code)
        if found is None:
            raise NotFound("no-such-offering", "There is no offering with this code.")
        attached = attached_resources(tx, most=MOST, offering_id=found[0])
        tools = registrations.all_registrations(tx, Side.TOOL)
    linked = {row.registration_id for row in attached}
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


@needs(Scope.ADMINISTER)
def choose() -> Response:
    """Deep linking as an operator, without a person. Without an offering, what is
    chosen is to become offerings of the centre."""
    offering, centre = typed("offering"), typed("centre")
    number = chosen_number("connection") if "connection" in request.form else 0
    lti = the_lti()
    address = choice_link(lti, offering, person=PERSON, registration_id=number, centre=centre)
    _log.info(
        "choice of resources begun",
        connection=number,
        offering=offering,
        centre=centre,
        by=current_actor().name,
    )
    return onward(address, gettext("To the choice of resources"))


pages = Blueprint("connections", __name__, url_prefix="/connections", template_folder="templates")
pages.register_error_handler(LtiRefused, refused)
add_choosing_to(pages)
MOST_RESOURCES = 200
_NUMBER = "/<int(max=999999999999999999):number>"


@pages.get("")
@needs(Scope.ADMINISTER)
def show() -> str:
    return _list()


@pages.post("/link")
@needs(Scope.ADMINISTER)
def make_link() -> str:
    """The link for a centre's administrator. It is shown once, and nowhere kept."""
    code = typed("centre")
    if code:
        the_bridge().centre(code)
    link = connect_links.make_connect_link(the_lti(), code)
    _log.info("connect link made", centre=code, by=current_actor().name)
    return _list(link=link, link_for=code)


def _list(link: str = "", link_for: str = "") -> str:
    with the_bridge().database.reading() as tx:
        page = listed_connections(tx, place_param(), most=SIZE)
        known = centres.all_centres(tx, active_only=True)
    return render_template(
        "connections/list.html",
        rows=page.rows,
        beside=addresses_beside(page),
        centres=known,
        link=link,
        link_for=link_for,
        hours=the_bridge().settings.lti.invitation_hours,
    )


@pages.get(_NUMBER)
@needs(Scope.ADMINISTER)
def show_one(number: int) -> str:
    lti = the_lti()
    with the_bridge().database.reading() as tx:
        registration = registrations.find(tx, number)
        if registration is None:
            raise NotFound("no-such-connection", f"There is no connection {number}, or no longer.")
        centre = centres.find(tx, registration.centre) if registration.centre else None
        attached = attached_resources(tx, most=MOST_RESOURCES + 1, registration_id=number)
        offerings = offerings_with_resources(tx, registration.centre) if registration.centre else []
        unknown = deployments.unknown(tx, number)
        refused = lti.refusals.of(tx, number)
        others = [
            each
            for each in registrations.all_registrations(tx, registration.side, registration.centre)
            if each.active and each.id != number
        ]
    is_tool = registration.side is Side.TOOL
    return render_template(
        "connections/one.html",
        registration=registration,
        is_tool=is_tool,
        centre=centre,
        seen=approval.fingerprint(registration),
        values=connect_links.values_for_tool(
            lti.address, registration.client_id, registration.deployment_ids
        )
        if is_tool
        else connect_links.values_for_platform(lti.address),
        attached=attached[:MOST_RESOURCES],
        more=len(attached) > MOST_RESOURCES,
        offerings=offerings,
        unknown=unknown,
        refused=refused,
        days=lti.settings.refusal_days,
        others=others,
    )


@pages.get("/refused")
@needs(Scope.ADMINISTER)
def show_refused() -> str:
    """How much was refused of each connection, and what named none that exists."""
    lti = the_lti()
    with the_bridge().database.reading() as tx:
        refused = lti.refusals.of(tx, NOBODY)
        counts = lti.refusals.by_connection(tx)
        names = {each.id: each.name for each in registrations.all_registrations(tx)}
    return render_template(
        "connections/refused_lately.html",
        refused=refused,
        counts=counts,
        names=names,
        days=lti.settings.refusal_days,
    )


@pages.post(f"{_NUMBER}/approval")
@needs(Scope.ADMINISTER)
def approve(number: int) -> ResponseReturnValue:
    """Also keeps other choices for one that is active, and turns a disabled one on again."""
    with the_bridge().database.writing() as tx:
        registration = approval.find_registration(tx, number)
        approval.check_seen(registration, request.form.get("seen", ""))
        registration = approval.approve_registration(
            tx, registration, _with_choices(registration), current_actor()
        )
    _note("connection approved", registration, **_chosen(registration))
    return _back(number)


def _with_choices(registration: LtiRegistration) -> LtiRegistration:
    """A box that is not ticked is not sent."""
    if registration.side is Side.PLATFORM:
        sourced = request.form.get("person_id") == PersonId.SOURCED_ID
        return replace(
            registration,
            person_id=PersonId.SOURCED_ID if sourced else PersonId.SUB,
            any_offering="any_offering" in request.form,
            any_deployment="any_deployment" in request.form,
            token_audience=typed("token_audience"),
        )
    ticked = {name: name in request.form for name in Privacy.__slots__}
    window = request.form.get("opens_in") == "window"
    return replace(registration, privacy=Privacy(**ticked), opens_in="window" if window else "")


def _chosen(registration: LtiRegistration) -> dict[str, object]:
    if registration.side is Side.PLATFORM:
        chosen = ("person_id", "any_offering", "any_deployment", "token_audience")
        return {name: str(getattr(registration, name)) for name in chosen}
    return {"personal_data": [n for n in Privacy.__slots__ if getattr(registration.privacy, n)]}


@pages.post(f"{_NUMBER}/rejection")
@needs(Scope.ADMINISTER)
def reject(number: int) -> ResponseReturnValue:
    with the_bridge().database.writing() as tx:
        registration = approval.find_registration(tx, number)
        status = approval.reject_registration(tx, registration, current_actor())
    _note("connection rejected" if status is None else "connection disabled", registration)
    return redirect(url_for("connections.show"), 303) if status is None else _back(number)


@pages.post(f"{_NUMBER}/replacement")
@needs(Scope.ADMINISTER)
def replace_one(number: int) -> ResponseReturnValue:
    """Moves a connection to another one (``to``), or forgets it (0). Without ``sure`` the
    page shows what that would change."""
    to = chosen_number("to")
    sure = "sure" in request.form
    database = the_bridge().database
    with database.writing() if sure else database.trying() as tx:
        registration = approval.find_registration(tx, number)
        if to:
            found = replacement.move(tx, number, to, current_actor())
        else:
            found = replacement.forget(tx, number, current_actor())
    if not sure:
        return render_template(
            "connections/replace.html", registration=registration, to=to, found=found
        )
    _note("connection moved" if to else "connection forgotten", registration, to=to)
    return _back(to) if to else redirect(url_for("connections.show"), 303)


@pages.post(f"{_NUMBER}/deployments")
@needs(Scope.ADMINISTER)
def add_deployment(number: int) -> ResponseReturnValue:
    with the_bridge().database.writing() as tx:
        registration = approval.find_registration(tx, number)
        deployment = request.form.get("deployment_id", "").strip()
        registration = approval.add_deployment(tx, registration, deployment, current_actor())
    _note("deployment added", registration)
    return _back(number)


@pages.post(f"{_NUMBER}/deployments/removal")
@needs(Scope.ADMINISTER)
def remove_deployment(number: int) -> ResponseReturnValue:
    with the_bridge().database.writing() as tx:
        registration = approval.find_registration(tx, number)
        deployment = request.form.get("deployment_id", "")
        registration = approval.remove_deployment(tx, registration, deployment, current_actor())
    _note("deployment removed", registration)
    return _back(number)


def _note(event: str, registration: LtiRegistration, **more: object) -> None:
    _log.info(
        event,
        connection=registration.id,
        side=str(registration.side),
        centre=registration.centre,
        by=current_actor().name,
        **more,
    )


def _back(number: int) -> ResponseReturnValue:
    return redirect(url_for("connections.show_one", number=number), 303)
