"""Pauses of centres, as pages and commands do them."""

from __future__ import annotations

from dataclasses import replace

import structlog

from lms_bridge.audit import Actor, Change, Subject, record
from lms_bridge.bridge import Bridge
from lms_bridge.domain.model import Flow
from lms_bridge.store import centres
from lms_bridge.store.run_requests import request_run

_log = structlog.get_logger(__name__)


def set_active(bridge: Bridge, code: str, active: bool, by: Actor) -> bool:
    """Lets nothing run for a centre (``active`` false), or lets it run again. Nothing is removed.
    Returns whether that changed anything.

    Raises:
        NotFound: there is no such centre.
    """
    centre = bridge.centre(code)
    if centre.active == active:
        return False
    with bridge.database.writing() as tx:
        centres.change(tx, replace(centre, active=active))
        action, fields = "resume" if active else "pause", {"active": (centre.active, active)}
        if active:  # what was published, changed or cancelled meanwhile is in the catalogue at once
            request_run(tx, [code], (Flow.OFFERINGS,), by.at, by.name, sends_only=True)
        record(tx, by, Change(Subject.CENTRE, action, None, code, fields, code))
    _log.info("centre switched", centre=code, active=active, by=by.name)
    return True
