"""`/offerings/<code>/complete`: a centre fills what the source of an offering leaves empty."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import document
from lms_bridge.domain.errors import BridgeError, NotFound
from lms_bridge.domain.model import Centre, Flow, Offering
from lms_bridge.store import completions, offerings
from lms_bridge.sync.completions import complete
from lms_bridge.sync.context import RunContext
from lms_bridge.web.access import centre_for, current_actor, needs, the_bridge

pages = Blueprint("completion", __name__)
FIELDS = {
    "modality": "Modality",
    "level": "Level",
    "starts_at": "Starts",
    "ends_at": "Ends",
    "hours": "Effort in hours",
    "registration_closes": "Registration closes",
    "languages": "Languages",
    "topics": "Topics",
    "location": "Location",
    "price": "Price",
    "currency": "Currency",
    "payment_methods": "Ways to pay",
    "description": "Description",
    "audience": "For whom",
    "requirements": "Entry requirements",
    "objectives": "Objectives",
}
"""What the page asks for, with its labels; programs may fill every field."""
_LISTS = frozenset({"languages", "topics", "payment_methods"})
_LONG = frozenset({"description", "audience", "requirements", "objectives"})


@pages.get("/offerings/<path:offering>/complete")
@needs(Scope.WRITE_OFFERINGS)
def show(offering: str) -> str:
    record_id, record, _ = _offering(offering)
    return _page(record_id, record)


@pages.post("/offerings/<path:offering>/complete")
@needs(Scope.WRITE_OFFERINGS)
def fill(offering: str) -> ResponseReturnValue:
    record_id, record, centre = _offering(offering)
    with the_bridge().database.reading() as tx:
        earlier = completions.of_offerings(tx, [record_id]).get(record_id, {})
    given = {name: _value(name) for name in FIELDS if _value(name) or name in earlier}
    actor = current_actor()

    def act(tx: Connection, context: RunContext) -> tuple[int, Offering]:
        return complete(tx, context, offering, given, actor.name)

    try:
        the_bridge().act(centre, Flow.OFFERINGS, actor, act)
    except BridgeError as error:
        return _page(record_id, record, error, given), 422
    return redirect(url_for("completion.show", offering=offering), 303)


def _offering(code: str) -> tuple[int, Offering, Centre]:
    missing = NotFound("no-such-offering", "There is no such offering.")
    with the_bridge().database.reading() as tx:
        found = offerings.offerings_by_code(tx, [code]).get(code)
    if found is None:
        raise missing
    try:
        centre = centre_for(Scope.WRITE_OFFERINGS, found[1].centre)
    except NotFound:
        raise missing from None
    return *found, centre


def _value(name: str) -> Any:
    text = request.form.get(name, "").replace("\x00", "").strip()
    if name in _LISTS:
        return [part.strip() for part in text.split(";") if part.strip()]
    return text


def _page(
    record_id: int,
    record: Offering,
    problem: BridgeError | None = None,
    given: dict[str, Any] | None = None,
) -> str:
    with the_bridge().database.reading() as tx:
        filled = completions.of_offerings(tx, [record_id]).get(record_id, {})
    held = document(record)
    by_source = {n: held[n] for n in FIELDS if held[n] not in (None, "", []) and n not in filled}
    shown = {**filled, **(given or {})}
    return render_template(
        "completion.html",
        offering=record,
        by_source=by_source,
        names=FIELDS,
        fields=[name for name in FIELDS if name not in by_source],
        values={n: "; ".join(v) if isinstance(v, list) else v for n, v in shown.items()},
        long=_LONG,
        problem=problem,
    )
