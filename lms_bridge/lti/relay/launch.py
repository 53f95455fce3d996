"""Relays a launch: from a platform, through the bridge, into the tool that serves the offering.

What the platform says of the learner is stored as the launch origin: it is the way back for
results. The platform's course is stored, too: its memberships service is a roster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind, Offering, gradebook_system
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import launch as platform_launch
from lms_bridge.lti.platform.enrolment_access import EnrolmentAccess
from lms_bridge.lti.platform.launch import LoginInitiation
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.relay import resolution
from lms_bridge.lti.tool.launch import Grading, Launch
from lms_bridge.lti.vocabulary import SCORE
from lms_bridge.store import launch_origins, retries, target_links
from lms_bridge.store.launch_origins import LaunchOrigin, StoredOrigin

LONGEST_ADDRESS = 2000


@dataclass(frozen=True, slots=True)
class LaunchSource:
    """How the launch arrived: the browser's secret, the sources that may frame the responses,
    whether it is in a frame, and whether the browser keeps cookies there."""

    browser: str
    frames: str
    framed: bool = False
    keeps_cookies: bool = True


@dataclass(frozen=True, slots=True)
class ForwardedLaunch:
    """The next step: ``login`` at the tool; or, if that is None, a window of its own that opens the
    launch link with ``token``. ``result_waits``: a result can now be sent to the platform.
    ``silent_since``: since when the tool does not answer."""

    offering: Offering
    login: LoginInitiation | None
    token: str = ""
    result_waits: bool = False
    silent_since: datetime | None = None


def forward_launch(
    lti: LtiContext, registration: LtiRegistration, launch: Launch, source: LaunchSource
) -> ForwardedLaunch | None:
    """Forwards a learner from a platform into the tool of the offering. None if the link belongs to
    no offering.

    Raises:
        LtiRefused: the bridge does not know the learner, the learner has no access now, or no tool
            serves the offering.
    """
    offering = launched_offering(lti, registration, launch)
    if offering is None:
        return None
    with _named(offering), lti.database.reading() as tx:
        learner = resolution.resolve_learner(tx, registration, launch, offering)
    begun_by = {platform_launch.PLATFORM: str(registration.id)}
    with _named(offering), lti.database.writing() as tx:
        prepared = platform_launch.prepare_launch(tx, lti, learner, offering.code)
        waits = record_origin(tx, registration, launch, prepared.access, lti.now())
        silent = prepared.silent_since(tx, lti.now())
        framed = source.framed and prepared.needs_window
        record: dict[str, str | int] = {
            "learner": learner,
            "offering": offering.code,
            "registration": prepared.registration.id,
            "return": launch.return_address,
            **begun_by,
        }
        seconds = lti.settings.login_seconds
        if silent is not None or framed or not source.keeps_cookies:
            token = platform_launch.new_link_token(lti, record, seconds, tx)
            return ForwardedLaunch(offering, None, token, waits, silent)
        unheard = prepared.needs_probe(tx, lti)
        login = platform_launch.initiate_login(
            tx,
            lti,
            prepared,
            browser=source.browser,
            return_address=launch.return_address,
            frames=source.frames,
            framed=source.framed,
            ends_with=begun_by,
        )
    silent = prepared.silent_by_probe(lti) if unheard else None
    if silent is not None:
        token = platform_launch.new_link_token(lti, record, seconds)
        return ForwardedLaunch(offering, None, token, waits, silent)
    return ForwardedLaunch(offering, login, result_waits=waits)


@contextmanager
def _named(offering: Offering) -> Iterator[None]:
    """Adds the offering to refusals."""
    try:
        yield
    except LtiRefused as error:
        error.offering = offering
        raise


def launched_offering(
    lti: LtiContext, registration: LtiRegistration, launch: Launch
) -> Offering | None:
    """The offering that a launch is for. The platform's course is stored whoever launches it, also
    if the launch is refused later.

    Raises:
        LtiRefused: it is an offering that this platform may not open. Nothing is stored then.
    """
    found = resolution.resolve_offering(lti.database, registration, launch)
    if found is None:
        return None
    id_, offering = found
    context = launch.context
    # A course whose address is too long to be stored has no roster for the bridge.
    if context is None or len(launch.memberships) > LONGEST_ADDRESS:
        return offering
    title = (context.title or context.label)[:500]
    course = StoredOrigin(registration.id, id_, context.id, title, launch.memberships)
    if not launch_origins.is_known_origin(lti.database, course):
        with lti.database.writing() as tx:
            launch_origins.keep_platform_course(tx, course, lti.now())
    return offering


def record_origin(
    tx: Connection,
    registration: LtiRegistration,
    launch: Launch,
    access: EnrolmentAccess,
    now: datetime,
) -> bool:
    """Stores the launch origin if it is new or changed. Gives whether a result may wait for that:
    its gradebook column was not known before, or is another one now; or this is the first launch
    that names a column for the offering, which others' results may wait for."""
    ids = access.offering_id, access.learner_id
    known = launch_origins.find_origin(tx, registration.id, *ids)
    origin = _origin(registration, launch, access, known)
    if origin == known:
        return False
    has_column = bool(origin.line_item or origin.line_items)
    first = has_column and not launch_origins.has_column(tx, registration.id, access.offering_id)
    launch_origins.keep_origin(tx, origin, now)
    results = launch_origins.results_about(tx, *ids)
    if not results or not has_column:
        return first
    if known is not None and _column(known) != _column(origin):
        # What the old column acknowledged is not in the new one, and its back-off does not apply.
        system = gradebook_system(registration.id)
        target_links.send_again(tx, system, Kind.RESULT, results)
        retries.try_again(tx, system, Kind.RESULT, results)
    return True


def _column(origin: LaunchOrigin) -> tuple[str, str, str]:
    return origin.line_item, origin.line_items, origin.subject


def _origin(
    registration: LtiRegistration,
    launch: Launch,
    access: EnrolmentAccess,
    known: LaunchOrigin | None,
) -> LaunchOrigin:
    grading = launch.grading or Grading()
    accepts_scores = SCORE in grading.scopes or not grading.scopes
    line_items = _storable(grading.line_items) if accepts_scores else ""
    line_item = _storable(grading.line_item) if accepts_scores else ""
    if not line_item and known is not None and known.line_items == line_items:
        line_item = known.line_item  # the bridge found or created it
    return LaunchOrigin(
        registration_id=registration.id,
        offering_id=access.offering_id,
        learner_id=access.learner_id,
        subject=launch.person.id,
        resource_link=launch.resource_link.id if launch.resource_link else "",
        line_item=line_item,
        line_items=line_items,
        scopes=tuple(sorted(grading.scopes)),
    )


def _storable(address: str) -> str:
    return address if len(address) <= LONGEST_ADDRESS else ""


def is_served_by_tool(lti: LtiContext, offering: Offering) -> bool:
    """Whether a tool is connected into which learners would be launched."""
    return platform_launch.is_served(lti.database, offering.code)
