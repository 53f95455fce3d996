"""Events that are posted here: the Academy says what changed, and the bridge looks at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response, g
from sqlalchemy import Connection

from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.events import PING
from lms_bridge.domain.model import Flow
from lms_bridge.schemas.webhooks import (
    OFFERING_CHANGED,
    REGISTRATION_CHANGED,
    EventSchema,
    ShownTaken,
)
from lms_bridge.store import asked_runs, offerings
from lms_bridge.sync.work import utc_now
from lms_bridge.web.api.callers import caller
from lms_bridge.web.api.centres import no_such_centre
from lms_bridge.web.api.replies import JSON
from lms_bridge.web.api.routing import route
from lms_bridge.web.bridging import the_bridge
from lms_bridge.webhooks.signing import TOLERANCE_SECONDS

_FLOWS: Mapping[str, tuple[Flow, ...]] = {
    REGISTRATION_CHANGED: (Flow.ENROLMENTS,),
    OFFERING_CHANGED: (Flow.OFFERINGS,),
}
_SEEN = "posted event"


@route(
    "/events",
    method="POST",
    scope=Scope.SEND_EVENTS,
    signed=True,
    body=EventSchema(),
    answer=ShownTaken,
    status=202,
    example={"type": REGISTRATION_CHANGED, "data": {"offering": "ALPHA-1"}},
    tag="events",
)
def post_event(given: dict[str, Any]) -> Response:
    """Takes an event: a run of the centre that it is about begins within seconds."""
    bridge, now = the_bridge(), utc_now()
    with bridge.database.reading() as tx:
        centres = [] if given["type"] == PING else [_centre(tx, given["data"])]
    message = g.get("event_id", "")
    if centres or message:
        with bridge.database.writing() as tx:
            seen = message and bridge.room.once.seen(_SEEN, message, 2 * TOLERANCE_SECONDS, tx)
            if seen:
                return _taken("This event was taken before.", [])
            if centres:
                asked_runs.ask(tx, centres, _FLOWS[given["type"]], now, caller().name)
    return _taken("The event is taken.", centres)


def _centre(tx: Connection, about: Mapping[str, str]) -> str:
    """The centre that an event is about; the offering's, where one is named.

    Raises:
        NotFound: there is none such within the sender's reach.
    """
    if not about["offering"]:
        return caller().check_reach(tx, about["centre"], no_such_centre()).code
    missing = NotFound("no-such-offering", "There is no such offering.")
    found = offerings.offering_by_code(tx, about["offering"])
    if found is None:
        raise missing
    return caller().check_reach(tx, found[1].centre, missing).code


def _taken(message: str, centres: list[str]) -> Response:
    body = orjson.dumps({"message": message, "centres": centres})
    return Response(body, 202, mimetype=JSON)
