"""`/health`: for what watches over the bridge. JSON, and 503 when the database is away."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge import __version__
from lms_bridge.sync.work import utc_now
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.queries.operations import clock_alive

pages = Blueprint("health", __name__)


@pages.get("/health")
def show() -> ResponseReturnValue:
    """``status`` is ``ok``, ``degraded`` (no process ticks) or ``down``."""
    bridge = the_bridge()
    try:
        with bridge.database.reading() as tx:
            ticking = clock_alive(tx, utc_now())
    except SQLAlchemyError:
        return _facts("down", "unreachable", "unknown"), 503
    wanted = bridge.settings.clock.enabled
    clock = "running" if ticking else "stopped" if wanted else "off"
    return _facts("degraded" if clock == "stopped" else "ok", "ok", clock)


def _facts(status: str, database: str, clock: str) -> Response:
    return jsonify(status=status, database=database, clock=clock, version=__version__)
