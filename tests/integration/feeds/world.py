"""A catalogue that offerings are published into, changed and taken out of, as the runs do it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests
from cryptography.fernet import Fernet

from lms_bridge.bootstrap import assemble
from lms_bridge.bridge import Bridge
from lms_bridge.domain.desired_state import GONE, offering_document
from lms_bridge.domain.document import digest
from lms_bridge.domain.model import (
    ACADEMY,
    Centre,
    Kind,
    Level,
    Meeting,
    Modality,
    Offering,
    RegistrationType,
)
from lms_bridge.secrets import Vault
from lms_bridge.server.app import create_app
from lms_bridge.settings import load
from lms_bridge.store import centres, links, offerings, runs, target_links
from lms_bridge.store.database import Database
from lms_bridge.store.tables import link, offering
from lms_bridge.sync.desired_state import desire_offerings
from tests.peers.serving import free_socket, serving

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
HOSTILE = "</script><script>alert('x')</script>, \"a\"; b\\n & \u2028 ]]> \x0b\x00"
PRIVATE = "Ann Other <ann.other@example.org>"
SAMPLE = (
    Centre("AFR", "Sample Centre Nairobi", "africa", "files", country="KE", sample=True),
    Centre("EUR", "Sample <b>Centre</b> Łódź", "europe", "files", country="PL", sample=True),
    Centre("OFF", "Centre that shows nothing", "cis", "files", active=False),
)


def full(**fields: Any) -> Offering:
    """An offering with everything on it, hostile where a text may be anything."""
    record = replace(
        Offering("AFR-1", "AFR", "CYB", f"=Security {HOSTILE.replace(chr(0), '')}"),
        modality=Modality.BLENDED,
        level=Level.ADVANCED,
        starts_at=datetime(2040, 3, 1, 21, 30, tzinfo=UTC),  # the 2nd already in Nairobi
        ends_at=datetime(2040, 3, 12, 20, 59, 59, tzinfo=UTC),
        time_zone="Africa/Nairobi",
        hours=Decimal("12.5"),
        registration=RegistrationType.APPLICATION,
        registration_opens=datetime(2040, 1, 1, tzinfo=UTC),
        registration_closes=datetime(2040, 2, 20, 20, 59, 59, tzinfo=UTC),
        seats=30,
        price=Decimal("150.5"),
        currency="USD",
        payment_methods=("Bank transfer",),
        languages=("en", "ar"),
        topics=("Cybersecurity", "Policy, and; regulation"),
        coordinators=(PRIVATE,),
        organisers=("Sample partner",),
        location="Room 1; Nairobi, Kenya",
        description="<p>All <strong>you</strong> need</p><script>bad()</script><p>5 &lt; 6</p>",
        audience="First line\nSecond <line",
        requirements="أمن المعلومات " * 20,
        objectives="To know",
        address="javascript:alert(1)",
        lms_course="secret-course",
    )
    return replace(record, **fields)


def plain(number: int, **fields: Any) -> Offering:
    """One of many."""
    start = datetime(2040, 5, 1, 8, tzinfo=UTC) + timedelta(days=number)
    record = replace(
        Offering(f"EUR-{number}", "EUR", f"E{number % 7}", f"Spectrum management {number}"),
        modality=Modality.FACE_TO_FACE,
        level=Level.INTRODUCTORY,
        starts_at=start,
        ends_at=start + timedelta(days=4),
        time_zone="Europe/Warsaw",
        topics=("Spectrum management",),
        languages=("fr",),
    )
    return replace(record, **fields)


def meeting(day: int, hour: int = 9, place: str = "") -> Meeting:
    start = datetime(2040, 3, day, hour, tzinfo=UTC)
    return Meeting(start, start + timedelta(hours=2), place)


class World:
    """The catalogue, and a client of it. Each change is a minute after the last."""

    def __init__(self, address: str, bridge: Bridge) -> None:
        self.address, self.database = address, bridge.database
        self._now = START

    def publish(self, *records: Offering) -> None:
        """The Academy acknowledges new offerings."""
        with self.database.writing() as tx:
            ids = offerings.add_offerings(tx, records)
            rows = [_link(id_, record) for id_, record in zip(ids, records, strict=True)]
            links.insert_links(tx, rows)
            self._note(tx, ids, "create")
            self._date(tx, ids)

    def change(self, code: str, **fields: Any) -> datetime:
        """A published offering becomes another one, and the Academy acknowledges it; what is no
        longer public it takes out. Gives the time."""
        self.new(code, **fields)
        return self.acknowledge(code)

    def new(self, code: str, **fields: Any) -> None:
        """A published offering becomes another one; the Academy does not know yet."""
        with self.database.writing() as tx:
            id_, before = offerings.offerings_by_code(tx, [code])[code]
            now = replace(before, **fields)
            offerings.change_offerings(tx, {id_: now})
            desire_offerings(tx, {id_: now})
            self._now += timedelta(minutes=1)
            self._date(tx, [id_])

    def acknowledge(self, code: str) -> datetime:
        """The Academy acknowledges an offering as it is now. Gives the time."""
        with self.database.writing() as tx:
            id_, record = offerings.offerings_by_code(tx, [code])[code]
            document = offering_document(record)
            target_links.set_acknowledged(tx, self._link_id(tx, id_), document)
            self._note(tx, [id_], "remove" if document == GONE else "update")
        return self._now

    def shows(self, code: str, **fields: Any) -> None:
        """The Academy is seen to show something else than it acknowledged."""
        with self.database.writing() as tx:
            id_, _ = offerings.offerings_by_code(tx, [code])[code]
            target_links.set_acknowledged(tx, self._link_id(tx, id_), fields)

    def add_unseen(self, *records: Offering) -> None:
        """Offerings that the Academy knows nothing of yet."""
        with self.database.writing() as tx:
            ids = offerings.add_offerings(tx, records)
            desire_offerings(tx, dict(zip(ids, records, strict=True)))

    def get(self, path: str, status: int = 200, **options: Any) -> requests.Response:
        response = requests.get(self.address + path, timeout=120, **options)
        assert response.status_code == status, response.text[:500]
        return response

    def note(
        self, tx: Any, record_id: int, *, system: str, state: str, action: str = "update"
    ) -> None:
        """Adds a line to the audit."""
        row = {"run_id": 1, "kind": Kind.OFFERING, "external_id": "", "fields": None}
        row |= {"system": system, "record_id": record_id, "action": action, "state": state}
        runs.add_items(tx, [{**row, "code": "", "message": "", "at": self._now}])

    def _note(self, tx: Any, record_ids: Iterable[int], action: str) -> None:
        self._now += timedelta(minutes=1)
        for id_ in record_ids:
            self.note(tx, id_, system=ACADEMY, state="acknowledged", action=action)

    def _date(self, tx: Any, record_ids: Sequence[int]) -> None:
        chosen = offering.c.id.in_(record_ids)
        tx.execute(offering.update().where(chosen).values(changed_at=self._now))

    def _link_id(self, tx: Any, record_id: int) -> int:
        row = tx.execute(link.select().where(link.c.record_id == record_id)).one()
        return int(row.id)


def _link(id_: int, record: Offering) -> dict[str, Any]:
    document = offering_document(record)
    return {
        "system": ACADEMY,
        "kind": Kind.OFFERING,
        "centre": record.centre,
        "record_id": id_,
        "external_id": record.code,
        "source_hash": b"",
        "desired": digest(document),
        "acknowledged": digest(document),
        "held_document": document,
        "tolerated": b"",
    }


@contextmanager
def served(address: str, *, public: bool = True) -> Iterator[World]:
    """A served catalogue of the sample centres, still without offerings. The settings name its
    public address, or leave it out."""
    database = Database(address)
    with database.writing() as tx:
        for centre in SAMPLE:
            centres.add(tx, centre, b"")
    listening = free_socket()
    port = str(listening.getsockname()[1])
    environment = {"LMS_BRIDGE_STORE__ADDRESS": address, "LMS_BRIDGE_WEB__PORT": port}
    if public:
        environment["LMS_BRIDGE_LTI__ADDRESS"] = f"http://127.0.0.1:{port}"
    settings = load(environment)
    vault = Vault(Fernet.generate_key().decode())
    bridge = assemble(settings, database, vault)
    try:
        app = create_app(bridge)
        app.testing = False  # errors are answered, as they are in earnest
        with serving(app, listening) as where:
            yield World(where, bridge)
    finally:
        bridge.close()
