"""Pauses of centres, as pages and commands do them."""

from __future__ import annotations

from dataclasses import replace

import structlog

from lms_bridge.audit import Actor, Change, Subject, record
from lms_bridge.bridge import Bridge
from lms_bridge.store import centres

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
        record(tx, by, Change(Subject.CENTRE, action, None, code, fields, code))
    _log.info("centre switched", centre=code, active=active, by=by.name)
    return True
