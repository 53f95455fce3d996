"""An application over a filled database, and programs that ask it with tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from cryptography.fernet import Fernet
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from lms_bridge.api import tokens
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.domain.access import EVERYTHING, TOKEN_SCOPES, DataScope, Scope, Token
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.desired_state import offering_document
from lms_bridge.domain.model import (
    Centre,
    Enrolment,
    EnrolmentStatus,
    Learner,
    Level,
    Modality,
    Offering,
    OfferingStatus,
    RegistrationType,
)
from lms_bridge.server.app import create_app
from lms_bridge.settings import Settings, load
from lms_bridge.store import centres, enrolments, learners, offerings, status_history
from lms_bridge.store.database import Database
from lms_bridge.store.status_history import KeptStatus
from lms_bridge.store.tables import offering as offering_table
from tests.filled_once import filled_once
from tests.integration.web.filling import publish
from tests.operators import sign_in

NOW = utc_now().replace(microsecond=0)
DAY = timedelta(days=1)
ALL = TOKEN_SCOPES
CENTRES = (
    Centre("ONE", "Sample Centre One", "africa", "files", sample=True),
    Centre("TWO", "Sample Centre Two", "africa", "files", sample=True),
    Centre("FAR", "Sample Centre Far", "europe", "files", sample=True),
)


def offering(code: str, **changes: Any) -> Offering:
    """A sample offering that breaks no rule, of the centre that its code begins with."""
    return replace(
        Offering(code, code.partition("-")[0], f"C-{code}", f"Sample course {code}"),
        modality=Modality.INSTRUCTOR_LED,
        level=Level.INTERMEDIATE,
        starts_at=NOW + 30 * DAY,
        ends_at=NOW + 40 * DAY,
        topics=("Cybersecurity",),
        languages=("en",),
        coordinators=("Sample Coordinator",),
        **changes,
    )


@dataclass
class World:
    """``client`` has no token, and is not signed in; ``operator`` is."""

    bridge: Bridge
    client: FlaskClient
    ids: dict[str, int]

    @cached_property
    def operator(self) -> FlaskClient:
        return sign_in(self.client.application.test_client(), self.bridge.database)

    def token(self, *scopes: Scope, reach: DataScope = EVERYTHING, **options: Any) -> str:
        return self.made_token(*scopes, reach=reach, **options)[1]

    def made_token(
        self, *scopes: Scope, reach: DataScope = EVERYTHING, **options: Any
    ) -> tuple[Token, str]:
        with self.bridge.database.writing() as tx:
            return tokens.add(
                tx,
                purpose="sample",
                reach=reach,
                scopes=scopes or ALL,
                at=utc_now(),
                by="test",
                **options,
            )

    def ask(
        self,
        method: str,
        path: str,
        token: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> TestResponse:
        head = dict(headers or {})
        if token:
            head["Authorization"] = f"Bearer {token}"
        return self.client.open(f"/api/v1{path}", method=method, headers=head, **more)

    def get(self, path: str, token: str = "", **more: Any) -> TestResponse:
        return self.ask("GET", path, token, **more)

    def post(self, path: str, token: str = "", **more: Any) -> TestResponse:
        more.setdefault("json", {})
        return self.ask("POST", path, token, **more)

    def add(self, *records: Offering, acted_on: bool = False) -> None:
        """Adds offerings that the Academy has acknowledged."""
        add_offerings(self.bridge.database, self.ids, records, acted_on=acted_on)


def add_offerings(
    database: Database, ids: dict[str, int], records: Sequence[Offering], *, acted_on: bool
) -> None:
    with database.writing() as tx:
        for record, id_ in zip(records, offerings.add_offerings(tx, records), strict=True):
            ids[record.code] = id_
            publish(tx, id_, record, offering_document(record))
            if acted_on:
                status_history.keep(tx, id_, KeptStatus(NOW))


def enrol(world: World, code: str, learner: str, status: EnrolmentStatus) -> int:
    """A learner in an offering; gives the registration's number."""
    person = Learner(learner, f"Given-{learner}", f"Family-{learner}", f"{learner}@example.org")
    with world.bridge.database.writing() as tx:
        (learner_id,) = learners.add_learners(tx, [person])
        record = Enrolment(learner, code, status)
        (number,) = enrolments.add_enrolments(tx, [(learner_id, world.ids[code], record)])
    return number


@filled_once
def fill(database: Database) -> None:
    """Three centres with an offering or two each."""
    with database.writing() as tx:
        for centre in CENTRES:
            centres.add(tx, centre, b"")
    applied = {"registration": RegistrationType.APPLICATION, "seats": 2}
    records = (
        offering("ONE-open"),
        offering("ONE-apply", **applied),
        offering("ONE-planned", status=OfferingStatus.PLANNED),
        offering("TWO-open"),
        offering("TWO-planned", status=OfferingStatus.PLANNED),
        offering("FAR-open"),
        offering("FAR-planned", status=OfferingStatus.PLANNED),
    )
    add_offerings(database, {}, records, acted_on=False)


Change = Callable[[Settings], Settings]


def open_world(address: str, change: Change = lambda settings: settings) -> World:
    """A world of three centres with an offering or two each."""
    settings = load(
        {
            "LMS_BRIDGE_STORE__ADDRESS": address,
            "LMS_BRIDGE_SECRETS__KEY": Fernet.generate_key().decode(),
            "LMS_BRIDGE_API__WAIT_SECONDS": "60",
        }
    )
    bridge = build(change(settings))
    app = create_app(bridge)
    app.testing = False  # errors are answered, as they are in earnest
    fill(bridge.database)
    with bridge.database.reading() as tx:
        rows = tx.execute(select(offering_table.c.code, offering_table.c.id)).all()
    return World(bridge, app.test_client(), {row.code: row.id for row in rows})
