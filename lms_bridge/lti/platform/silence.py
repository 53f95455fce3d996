"""An LMS that did not answer lately: a learner reads that on a page of the bridge's own, instead of
the browser's page for a server that is not there. The learner may still try."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection

from lms_bridge.domain.model import Offering
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform.enrolment_access import EnrolmentAccess
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store import centres, flow_states

FRESH = timedelta(minutes=30)
"""What runs saw longer ago says nothing of now."""
RETRY_SECONDS = 300
SILENT = "lms-silent"


class NotAnswering(LtiRefused):
    """The LMS is known to be silent. The form ``onward`` leads there all the same; it is sent to
    the address of the refused request if it is empty."""

    def __init__(self, offering: Offering, since: datetime, onward: str = "") -> None:
        super().__init__(
            SILENT,
            "The learning system of the training centre does not answer at the moment.",
            "Nothing of yours is lost. Try again in some minutes, or later today.",
            status=503,
        )
        self.offering = offering
        self.silent_since, self.onward = since, onward

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(RETRY_SECONDS)}


def silent_since(
    tx: Connection, access: EnrolmentAccess, tool: LtiRegistration, now: datetime
) -> datetime | None:
    """Since when the LMS of a launch does not answer; None if it does, or if that is not known.

    A launch knows from its own query whether its centre is silent: the others ask nothing more.
    """
    since = access.silent_since
    if since is None:
        return None
    asked = _address(tx, access)
    if asked and _host(asked) != _host(tool.initiate_login_uri):
        return None  # the tool is another server than the one that is silent
    return since if _is_fresh(tx, access, now) else None


def needs_probe(
    tx: Connection, lti: LtiContext, access: EnrolmentAccess, tool: LtiRegistration
) -> bool:
    """Whether a launch has to ask first if its LMS takes connections: nothing was heard of it in
    the last minute. Only a server that runs reached lately is asked. Of another the bridge cannot
    tell one that is silent from one that it may not reach."""
    if not lti.probe.is_unheard(tool.initiate_login_uri):
        return False
    asked = _address(tx, access)
    same = bool(asked) and _host(asked) == _host(tool.initiate_login_uri)
    return same and _is_fresh(tx, access, lti.now())


def silent_by_probe(lti: LtiContext, tool: LtiRegistration) -> datetime | None:
    """Since when the tool takes no connections. It may wait a second: never in a transaction."""
    private = lti.private_addresses or tool.private_addresses
    return lti.probe.silent_since(tool.initiate_login_uri, private_addresses=private)


def _address(tx: Connection, access: EnrolmentAccess) -> str:
    centre = centres.find(tx, access.offering.centre)
    return centre.address if centre is not None else ""


def _is_fresh(tx: Connection, access: EnrolmentAccess, now: datetime) -> bool:
    last = flow_states.last_read(tx, access.offering.centre)
    return last is not None and last > now - FRESH


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
