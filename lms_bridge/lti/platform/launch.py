"""Starts a launch: one-time links, and the login initiation that opens a tool.

Sources: 1EdTech Security Framework 1.1, section 5.1.1.1; LTI Core 1.3, section 4.1.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from lms_bridge.lti import registrations
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import (
    chosen_resources,
    endpoints,
    enrolment_access,
    resources,
    storage,
)
from lms_bridge.lti.platform.enrolment_access import EnrolmentAccess
from lms_bridge.lti.platform.resources import Resource
from lms_bridge.lti.platform.silence import (
    NotAnswering,
    needs_probe,
    silent_by_probe,
    silent_since,
)
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.lti.vocabulary import DEEP_LINKING_REQUEST, RESOURCE_LINK_REQUEST
from lms_bridge.store import accounts, learners, offerings
from lms_bridge.store.database import Database

LAUNCH = "launch"
LINK = accounts.LAUNCH_LINK
HANDED_OUT = accounts.HANDED_OUT
SESSION, PLATFORM = "session", "platform"
"""Of a launch, or a link for one: the number of the session or (as a text) of the platform that it
was begun in, and ends with."""
WINDOW = "window"


@dataclass(frozen=True, slots=True)
class LoginInitiation:
    """What the person's browser has to send to the tool, by GET or POST."""

    address: str
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class OfferingLaunch:
    """Who goes where: the learner's access, the tool of the offering, and the resource link."""

    access: EnrolmentAccess
    registration: LtiRegistration
    resource: Resource

    @property
    def needs_window(self) -> bool:
        """Whether the tool's pages cannot be shown in a frame. The operator's setting for the tool
        comes first: Moodle's links say ``iframe`` even where Moodle allows none."""
        return WINDOW in (self.registration.opens_in, self.resource.target)

    def silent_since(self, tx: Connection, now: datetime) -> datetime | None:
        """Since when the tool is known not to answer."""
        return silent_since(tx, self.access, self.registration, now)

    def needs_probe(self, tx: Connection, lti: LtiContext) -> bool:
        """Whether nothing was heard of the tool lately."""
        return needs_probe(tx, lti, self.access, self.registration)

    def silent_by_probe(self, lti: LtiContext) -> datetime | None:
        """Since when the tool takes no connections. It may wait, and so is no part of a
        transaction."""
        return silent_by_probe(lti, self.registration)


def make_launch_link(lti: LtiContext, record: dict[str, str | int]) -> str:
    """A link that works once; ``record`` is what the launch begins with."""
    token = new_link_token(lti, record, lti.settings.launch_link_hours * 3600)
    return f"{lti.address}{endpoints.LAUNCH}/{token}"


def learner_link(lti: LtiContext, learner: str, offering: str, registration_id: int = 0) -> str:
    """A link for a learner, to be handed over. It ends when the learner's account is disabled.

    Raises:
        LtiRefused: the learner has no access now, no tool serves the offering, or the learner's
            account is disabled.
    """
    record: dict[str, str | int] = {
        "learner": learner,
        "offering": offering,
        "registration": registration_id,
        HANDED_OUT: 1,
    }
    # Says now what is wrong. An LMS that is silent now may answer when the link is used.
    start_launch(lti, learner, offering, registration_id=registration_id, anyway=True)
    with lti.database.reading() as tx:
        check_link(tx, record)
    return make_launch_link(lti, record)


def check_link(tx: Connection, record: Mapping[str, Any]) -> None:
    """Of a launch, or the link for one. The Academy vouches for the learners whom it launches
    itself, so their accounts here do not count; nobody vouches for who has a link.

    Raises:
        LtiRefused: it was handed out, and the learner's account was disabled since.
    """
    if not record.get(HANDED_OUT):
        return
    number, _ = learners.learners_by_academy_id(tx, [record["learner"]]).get(
        record["learner"], (None, None)
    )
    account = accounts.find_account(tx, learner=number)
    is_disabled = account is not None and account.disabled_at is not None
    if is_disabled or record.get(accounts.ENDED):
        raise LtiRefused(
            "launch-link-ended",
            "The account of this learner was disabled, so links for the learner have ended.",
            "Please open the course from the Academy, or ask whoever gave you the link.",
            status=403,
        )


def new_link_token(
    lti: LtiContext, record: dict[str, str | int], seconds: float, tx: Connection | None = None
) -> str:
    token = secrets.token_urlsafe(24)
    lti.nonces.put(LINK, token, record, seconds, tx)
    return token


def choice_link(
    lti: LtiContext, offering: str, *, person: str, registration_id: int = 0, centre: str = ""
) -> str:
    """A link to deep linking for an offering (by its code), or for new offerings of ``centre``.

    Raises:
        LtiRefused: no tool serves the offering, or the tool has no deep linking.
    """
    # Fails here rather than when somebody opens the link.
    start_deep_linking(lti, offering, person=person, registration_id=registration_id, centre=centre)
    record: dict[str, str | int] = {
        "person": person,
        "offering": offering,
        "registration": registration_id,
        "centre": centre,
    }
    return make_launch_link(lti, record)


def start_launch(
    lti: LtiContext,
    learner: str,
    offering: str,
    *,
    registration_id: int = 0,
    browser: str = "",
    return_address: str = "",
    anyway: bool = False,
    ends_with: Mapping[str, str | int] | None = None,
) -> LoginInitiation:
    """Begins the launch of a learner (by the Academy's id) into an offering (by its code).

    The tool is the named one, that of the offering's first link, or the centre's. ``browser`` is
    the secret of the learner's browser: only that browser can finish the launch. ``anyway``: also
    if the tool is known not to answer. ``ends_with``: the session, link or platform that the
    launch ends with.

    Raises:
        NotAnswering: the tool is known not to answer.
        LtiRefused: the learner has no access now, or no tool serves the offering.
    """
    with lti.database.writing() as tx:
        prepared = prepare_launch(tx, lti, learner, offering, registration_id)
        since = prepared.silent_since(tx, lti.now())
        if since is not None and not anyway:
            raise NotAnswering(prepared.access.offering, since)
        unheard = not anyway and prepared.needs_probe(tx, lti)
        login = initiate_login(
            tx,
            lti,
            prepared,
            browser=browser,
            return_address=return_address,
            ends_with=ends_with,
        )
    since = prepared.silent_by_probe(lti) if unheard else None
    if since is not None:
        raise NotAnswering(prepared.access.offering, since)
    return login


def prepare_launch(
    tx: Connection, lti: LtiContext, learner: str, offering: str, registration_id: int = 0
) -> OfferingLaunch:
    """Raises LtiRefused when the learner has no access now, or no tool serves the offering."""
    access = enrolment_access.open_enrolment(tx, lti, learner, offering)
    id_, found = access.offering_id, access.offering
    registration = tool_for(tx, id_, found.centre, registration_id)
    resource = resources.first_or_create(tx, registration, id_, found, lti.now())
    return OfferingLaunch(access, registration, resource)


def initiate_login(
    tx: Connection,
    lti: LtiContext,
    prepared: OfferingLaunch,
    *,
    browser: str,
    return_address: str = "",
    frames: str = "",
    framed: bool = False,
    ends_with: Mapping[str, str | int] | None = None,
) -> LoginInitiation:
    """Begins the login of a learner at the offering's tool. ``frames`` are the sources that may
    frame the pages that follow; ``framed`` says whether one does. ``ends_with``: the session, link
    or platform that the launch ends with."""
    record = {
        "message": RESOURCE_LINK_REQUEST,
        "learner": prepared.access.learner.academy_id,
        "offering": prepared.access.offering.code,
        "resource": prepared.resource.id,
        "return": return_address,
        "frames": frames,
        "framed": framed,
        **(ends_with or {}),
    }
    target = prepared.resource.address or prepared.registration.target_link_uri
    return _initiate(lti, prepared.registration, record, target, browser, tx)


def start_deep_linking(
    lti: LtiContext,
    offering: str,
    *,
    person: str,
    registration_id: int = 0,
    browser: str = "",
    centre: str = "",
) -> LoginInitiation:
    """Begins the choice of a tool's resources, for an offering or for new offerings of ``centre``.
    ``person`` is the operator who chooses.

    Raises:
        LtiRefused: no tool serves the offering, or the tool has no deep linking.
    """
    with lti.database.reading() as tx:
        if centre:
            registration = tool_for(tx, 0, centre, registration_id)
        else:
            found = offerings.offerings_by_code(tx, [offering]).get(offering)
            if found is None:
                raise LtiRefused("offering-unknown", "There is no such offering.", status=404)
            registration = tool_for(tx, found[0], found[1].centre, registration_id)
    if not registration.deep_link_uri:
        raise LtiRefused("no-deep-linking", "This tool does not offer resources to choose from.")
    record = {"message": DEEP_LINKING_REQUEST, "person": person}
    record |= {"centre": centre} if centre else {"offering": offering}
    return _initiate(lti, registration, record, registration.deep_link_uri, browser)


def _initiate(
    lti: LtiContext,
    registration: LtiRegistration,
    record: Mapping[str, Any],
    target: str,
    browser: str,
    tx: Connection | None = None,
) -> LoginInitiation:
    """Stores what ``authenticate`` needs later, under the login hint."""
    hint, message_hint = secrets.token_urlsafe(24), secrets.token_urlsafe(12)
    login = {
        "registration": registration.id,
        "target": target,
        "hint": message_hint,
        "browser": browser_digest(browser),
    }
    lti.nonces.put(LAUNCH, hint, {**record, **login}, lti.settings.login_seconds, tx)
    fields = {
        "iss": lti.address,
        "target_link_uri": target,
        "login_hint": hint,
        "lti_message_hint": message_hint,
        "client_id": registration.client_id,
    }
    if registration.deployment_ids:
        fields["lti_deployment_id"] = registration.deployment_ids[0]
    return LoginInitiation(registration.initiate_login_uri, fields)


def browser_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest() if secret else ""


def is_served(database: Database, offering: str) -> bool:
    """Whether an active tool serves the offering of that code, as ``tool_for`` would find it."""
    return database.at_once(storage.SERVING, {"code_is": offering}, writing=False) is not None


def all_served(tx: Connection, centres: Mapping[int, str]) -> set[int]:
    """Those of the offerings that an active tool serves; ``centres`` are {offering id: centre}.
    Two queries, however many offerings."""
    at, linked = storage.active_tools_of(tx, centres)
    return {id_ for id_, centre in centres.items() if centre in at or id_ in linked}


def tool_for(
    tx: Connection, offering_id: int, centre: str, registration_id: int = 0
) -> LtiRegistration:
    """Raises LtiRefused when no active tool serves the offering."""
    linked = [row.registration_id for row in storage.resources(tx, offering_id=offering_id)]
    if not linked:
        chosen = chosen_resources.of_offering(tx, offering_id, centre)
        linked = [chosen.registration_id] if chosen is not None else []
    tools = registrations.active_tools(tx, centre, linked)
    for tool in sorted(tools, key=lambda each: (each.id not in linked, each.id)):
        if registration_id in (0, tool.id):
            return tool
    raise LtiRefused(
        "no-tool",
        "No learning system is connected for this course yet.",
        "Please tell the training centre.",
        status=404,
    )
