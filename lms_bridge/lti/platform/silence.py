"""An LMS that did not answer lately: a learner reads that on a page of the bridge's own, instead of
the browser's page for a server that is not there. The learner may still try."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection

from lms_bridge.domain.model import Offering
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
    code = access.offering.centre
    centre = centres.find(tx, code)
    asked = _host(centre.address) if centre is not None else ""
    if asked not in ("", _host(tool.initiate_login_uri)):
        return None  # the tool is another server than the one that is silent
    last = flow_states.last_read(tx, code)
    return since if last is not None and last > now - FRESH else None


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
