"""The API of cycles, areas, memberships, roll-overs and profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response
from sqlalchemy import Connection

from lms_bridge.api import idempotency, pagination
from lms_bridge.api.auth import caller
from lms_bridge.api.centres import no_such_centre, whole_centre_document
from lms_bridge.api.changes import done_once
from lms_bridge.api.documents import membership_document
from lms_bridge.api.idempotency import KeyClaim
from lms_bridge.api.responses import JSON, ApiResponse, json_response
from lms_bridge.api.route import NUMBER, route
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.network import Cycle
from lms_bridge.network import areas, roll_overs, schemas
from lms_bridge.network import cycles as cycle_service
from lms_bridge.network import memberships as membership_service
from lms_bridge.network.decision import NetworkDecision, decide, find_cycle
from lms_bridge.network.memberships import Decided, NewMembership
from lms_bridge.network.profiles import change_profile
from lms_bridge.network.regions import move_centre
from lms_bridge.reference import reference
from lms_bridge.schemas.params import NothingSchema, PageParams
from lms_bridge.schemas.responses import CentreResponse, MembershipResponse, page_of
from lms_bridge.store import centres, cycles
from lms_bridge.store import memberships as store
from lms_bridge.sync.memberships import uncovered
from lms_bridge.web.access import the_bridge

Outcome = TypeVar("Outcome")
_TAG = "network"
_CYCLE = "<name>"
_KEY = ("IdempotencyKey",)
_CSV = "text/csv"


def _decided(
    decision: NetworkDecision[Outcome],
    document: Callable[[Connection, Outcome], dict[str, Any]],
    status: int = 200,
) -> Response:
    """Carries a decision out, once for each Idempotency-Key."""

    def do(claim: KeyClaim | None) -> ApiResponse:
        replies: list[ApiResponse] = []

        def keep(tx: Connection, outcome: Outcome) -> None:
            reply = ApiResponse(document(tx, outcome), status)
            headers = {**reply.all_headers(), "Content-Type": JSON}
            idempotency.keep(tx, claim, reply.status, headers, reply.body)
            replies.append(reply)

        decide(the_bridge().database, decision, keep)
        return replies[0]

    return done_once(do)


def _for_everybody() -> None:
    """Raises Refused unless the caller decides for all regions."""
    if not caller().require_token().reach.everything:
        raise Refused("another-centre", "Cycles are for all regions: the token covers one alone.")


def _regions() -> list[str] | None:
    """The regions that the caller decides for; None: all."""
    reach = caller().require_token().reach
    if reach.everything:
        return None
    return [reach.region] if reach.region else []


# Cycles and areas


@route("/cycles", scope=None, response=page_of(schemas.CycleResponse), query=PageParams, tag=_TAG)
def list_cycles(params: dict[str, Any]) -> Response:
    """The cycles of the programme, the earliest first."""
    begin, most = pagination.cursor_id(params["cursor"]), params["limit"]
    with the_bridge().database.reading() as tx:
        found = list(cycles.all_cycles(tx).values())
    last = begin + most if len(found) > begin + most else None
    today = utc_now().date()
    documents = [schemas.cycle_document(each, today) for each in found[begin : begin + most]]
    return json_response(pagination.page(documents, last))


@route(f"/cycles/{_CYCLE}", scope=None, response=schemas.CycleResponse, tag=_TAG)
def show_cycle(name: str) -> Response:
    """One cycle, with its priority areas."""
    with the_bridge().database.reading() as tx:
        return json_response(_cycle(tx, find_cycle(tx, name)))


def _cycle(_: Connection, found: Cycle) -> dict[str, Any]:
    return schemas.cycle_document(found, utc_now().date())


@route(
    "/cycles",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.NewCycleSchema(),
    response=schemas.CycleResponse,
    status=201,
    example={"name": "2027-2030", "starts_on": "2027-01-01", "areas_of": "2023-"},
    headers=_KEY,
    tag=_TAG,
)
def open_cycle(given: dict[str, Any]) -> Response:
    """Opens a cycle, with its own areas or those of another one."""
    _for_everybody()
    new = Cycle(
        given["name"],
        given.get("programme", ""),
        given["starts_on"],
        given.get("ends_on"),
        given.get("complete", False),
        given.get("most_per_centre"),
        given["areas"],
    )
    decision = cycle_service.open_cycle(
        new, by=caller().by(), areas_of=given["areas_of"], overlap=given["overlap"]
    )
    return _decided(decision, _cycle, 201)


@route(
    f"/cycles/{_CYCLE}",
    method="PATCH",
    scope=Scope.WRITE_NETWORK,
    body=schemas.CycleChangeSchema(),
    response=schemas.CycleResponse,
    example={"ends_on": "2026-12-31"},
    headers=_KEY,
    tag=_TAG,
)
def change_cycle(given: dict[str, Any], name: str) -> Response:
    """Changes the named fields of a cycle. Memberships end with it at the latest."""
    _for_everybody()
    overlap = given.pop("overlap")
    decision = cycle_service.change_cycle(name, given, by=caller().by(), overlap=overlap)
    return _decided(decision, _cycle)


@route(
    f"/cycles/{_CYCLE}/areas",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.AreaSchema(),
    response=schemas.CycleResponse,
    status=201,
    example={"name": "Quantum networks"},
    headers=_KEY,
    tag=_TAG,
)
def add_area(given: dict[str, Any], name: str) -> Response:
    """Adds a priority area to a cycle."""
    _for_everybody()
    return _decided(areas.add_area(name, given["name"], by=caller().by()), _cycle, 201)


@route(
    f"/cycles/{_CYCLE}/areas/rename",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.RenameSchema(),
    response=schemas.CycleResponse,
    example={"area": "Cybersecurity", "name": "Digital trust"},
    headers=_KEY,
    tag=_TAG,
)
def rename_area(given: dict[str, Any], name: str) -> Response:
    """Gives an area another name; offerings with the old name still fit it."""
    _for_everybody()
    return _decided(areas.rename_area(name, given["area"], given["name"], by=caller().by()), _cycle)


@route(
    f"/cycles/{_CYCLE}/areas/merge",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.MergeSchema(),
    response=schemas.CycleResponse,
    example={"areas": ["Digital services"], "into": "Digital inclusion"},
    headers=_KEY,
    tag=_TAG,
)
def merge_areas(given: dict[str, Any], name: str) -> Response:
    """Makes one area of several; offerings with the old names still fit it."""
    _for_everybody()
    return _decided(
        areas.merge_areas(name, given["areas"], given["into"], by=caller().by()), _cycle
    )


# Memberships


@route(
    "/memberships",
    scope=None,
    response=page_of(MembershipResponse),
    query=schemas.MembershipsParams,
    tag=_TAG,
)
def list_memberships(params: dict[str, Any]) -> Response:
    """The memberships of centres, by centre."""
    begin, most = pagination.cursor_id(params["cursor"]), params["limit"]
    today = utc_now().date()
    with the_bridge().database.reading() as tx:
        regions = {each.code: each.region for each in centres.all_centres(tx)}
        found = [
            each
            for each in store.all_memberships(tx, in_cycle=params.get("cycle", ""))
            if params.get("centre") in (None, "", each.centre)
            and params.get("region") in (None, "", regions[each.centre])
            and params.get("status") in (None, each.period.status(today))
        ]
    last = begin + most if len(found) > begin + most else None
    documents = [membership_document(each, today) for each in found[begin : begin + most]]
    return json_response(pagination.page(documents, last))


@route(
    "/memberships",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.NewMembershipSchema(),
    response=schemas.DecidedResponse,
    status=201,
    example={"centre": "ALPHA", "cycle": "2023-", "priority_areas": ["Cybersecurity"]},
    headers=_KEY,
    tag=_TAG,
)
def add_membership(given: dict[str, Any]) -> Response:
    """Makes a centre a member in a cycle."""
    with the_bridge().database.reading() as tx:
        caller().centre_in_scope(tx, given["centre"], no_such_centre())
    decision = membership_service.add_membership(NewMembership(**given), by=caller().by())
    return _decided(decision, _membership, 201)


@route(
    f"/memberships/{NUMBER}/areas",
    method="PUT",
    scope=Scope.WRITE_NETWORK,
    body=schemas.AreasSchema(),
    response=schemas.DecidedResponse,
    example={"priority_areas": ["Cybersecurity"]},
    headers=_KEY,
    tag=_TAG,
)
def change_areas(given: dict[str, Any], number: int) -> Response:
    """Replaces the priority areas of a membership."""
    _in_scope(number)
    decision = membership_service.change_areas(number, given["priority_areas"], by=caller().by())
    return _decided(decision, _membership)


@route(
    f"/memberships/{NUMBER}/end",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.EndSchema(),
    response=schemas.DecidedResponse,
    example={"last_day": "2026-12-31", "reason": "The centre left the programme"},
    headers=_KEY,
    tag=_TAG,
)
def end_membership(given: dict[str, Any], number: int) -> Response:
    """Ends a membership. What has begun runs to its end, and no course starts later."""
    _in_scope(number)
    decision = membership_service.end_membership(
        number, given["last_day"], by=caller().by(), reason=given["reason"]
    )
    return _decided(decision, _membership)


@route(
    f"/memberships/{NUMBER}/renew",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.RenewSchema(),
    response=schemas.DecidedResponse,
    example={"ends_on": "2027-06-30"},
    headers=_KEY,
    tag=_TAG,
)
def renew_membership(given: dict[str, Any], number: int) -> Response:
    """Lets a membership last longer; one that is over begins again."""
    _in_scope(number)
    return _decided(
        membership_service.renew_membership(number, by=caller().by(), **given), _membership
    )


@route(
    f"/memberships/{NUMBER}",
    method="DELETE",
    scope=Scope.WRITE_NETWORK,
    response=schemas.DecidedResponse,
    headers=_KEY,
    tag=_TAG,
)
def remove_membership(number: int) -> Response:
    """Removes a membership that has not begun."""
    _in_scope(number)
    decision = membership_service.remove_membership(number, by=caller().by())
    return _decided(decision, lambda tx, gone: _membership(tx, Decided(gone)))


def _in_scope(number: int) -> None:
    """Raises NotFound for the membership of a centre that the caller does not decide for."""
    missing = NotFound("no-such-membership", "There is no such membership.")
    with the_bridge().database.reading() as tx:
        found = store.find_membership(tx, number)
        if found is None:
            raise missing
        caller().centre_in_scope(tx, found.centre, missing)


def _membership(tx: Connection, decided: Decided) -> dict[str, Any]:
    now, each = utc_now(), decided.membership
    later = uncovered(tx, each.centre, now)
    return {
        "membership": membership_document(each, now.date()),
        "warnings": list(decided.warnings),
        "offerings": sorted(record.code for record in later.values()),
    }


@route(
    "/centres/<code>/profile",
    method="PATCH",
    scope=Scope.WRITE_OFFERINGS,
    body=schemas.ProfileSchema(),
    response=CentreResponse,
    example={"names": {"fr": "Centre Alpha"}, "city": "Nairobi"},
    headers=_KEY,
    tag="centres",
)
def change_centre_profile(given: dict[str, Any], code: str) -> Response:
    """Changes the named fields of a centre's public profile."""
    with the_bridge().database.reading() as tx:
        centre = caller().centre_in_scope(tx, code, no_such_centre())
    return _decided(
        change_profile(centre.code, given, by=caller().by()),
        lambda tx, told: whole_centre_document(tx, told[0]),
    )


@route(
    "/centres/<code>/move",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.MoveSchema(),
    response=CentreResponse,
    example={"region": "europe", "moved_on": "2027-01-01"},
    headers=_KEY,
    tag="centres",
)
def move_centre_to_region(given: dict[str, Any], code: str) -> Response:
    """Moves a centre to another region."""
    with the_bridge().database.reading() as tx:
        caller().centre_in_scope(tx, code, no_such_centre())
    mine, region = _regions(), given["region"]
    if mine is not None and region not in mine:
        raise Refused("another-centre", "The token does not cover this region.")
    moved_on, by = given["moved_on"] or utc_now().date(), caller().by()
    decision = move_centre(code, region, moved_on, list(reference().regions), by=by)
    return _decided(decision, whole_centre_document)


# Roll-overs


@route(
    "/roll-overs",
    scope=Scope.WRITE_NETWORK,
    response=page_of(schemas.RollOverResponse),
    query=schemas.RollOverParams,
    tag=_TAG,
)
def list_roll_overs(params: dict[str, Any]) -> Response:
    """The plans that take a region from one cycle to the next."""
    after, most = pagination.cursor_id(params["cursor"]), params["limit"]
    with the_bridge().database.reading() as tx:
        rows = roll_overs.plans(tx, params["status"], _regions(), after, most + 1)
    last = rows[most - 1].id if len(rows) > most else None
    return json_response(
        pagination.page([roll_overs.plan_document(row) for row in rows[:most]], last)
    )


@route(
    f"/roll-overs/{NUMBER}", scope=Scope.WRITE_NETWORK, response=schemas.RollOverResponse, tag=_TAG
)
def show_roll_over(number: int) -> Response:
    """One plan, centre by centre."""
    with the_bridge().database.reading() as tx:
        return json_response(_plan(tx, number))


def _plan(tx: Connection, number: int) -> dict[str, Any]:
    return roll_overs.plan_document(roll_overs.find_plan(tx, number, _regions()))


@route(
    "/roll-overs",
    method="POST",
    scope=Scope.WRITE_NETWORK,
    body=schemas.RollOverSchema(),
    response=schemas.RollOverResponse,
    status=201,
    example={"region": "africa", "old": "2023-", "new": "2027-2030", "leave": ["ALPHA"]},
    headers=_KEY,
    tag=_TAG,
)
def plan_roll_over(given: dict[str, Any]) -> Response:
    """Plans to take the centres of a region from one cycle to the next."""
    mine = _regions()
    if mine is not None and given["region"] not in mine:
        raise Refused("another-centre", "The token does not cover this region.")
    decision = roll_overs.plan(
        roll_overs.Wish(**given), list(reference().regions), by=caller().by()
    )
    return _decided(decision, _plan, 201)


def _add_decision(name: str, meaning: str, make: Callable[..., NetworkDecision[Any]]) -> None:
    @route(
        f"/roll-overs/{NUMBER}/{name}",
        method="POST",
        name=f"{name}_roll_over",
        summary=meaning,
        scope=Scope.WRITE_NETWORK,
        body=NothingSchema(),
        response=schemas.RollOverResponse,
        example={},
        headers=_KEY,
        tag=_TAG,
    )
    def decide_plan(_: dict[str, Any], number: int) -> Response:
        decision = make(number, _regions(), by=caller().by())
        return _decided(decision, lambda tx, _: _plan(tx, number))


_add_decision(
    "approve", "Carries a plan out, if the network is as the plan has it", roll_overs.approve
)
_add_decision("reject", "Keeps the memberships as they are", roll_overs.reject)
