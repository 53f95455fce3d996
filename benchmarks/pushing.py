"""Pushing a schedule, and what it is compared with: each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import orjson
from cryptography.fernet import Fernet
from sqlalchemy import insert

from lms_bridge.api import tokens
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.domain.access import DataScope, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Flow, Offering
from lms_bridge.intake.apply import scan
from lms_bridge.intake.formats import CSV, JSON, Body
from lms_bridge.intake.push import Push, apply_push
from lms_bridge.intake.rows import PushedOfferingSchema
from lms_bridge.schemas.load import load
from lms_bridge.server.app import create_app
from lms_bridge.settings import load as load_settings
from lms_bridge.store.bulk import columns
from lms_bridge.store.database import Database
from lms_bridge.store.tables import offering
from lms_bridge.sync.context import RunContext

CENTRE = Centre("C00", "Sample centre", "africa", "files", time_zone="Africa/Nairobi", sample=True)


def only_load(address: str, body: str, *, by_clock: bool = False) -> dict[str, float]:
    """Seconds, of CPU time or by the clock, of loading the rows, given as objects, and of one bulk
    insertion of them."""
    now = _watch(by_clock)
    rows = orjson.loads(Path(body).read_bytes())
    began = now()
    schema = PushedOfferingSchema(default_zone=CENTRE.time_zone)
    records = []
    for number, row in enumerate(rows):
        row.pop("id")
        records.append(Offering(code=f"C00-{number}", centre="C00", **load(schema, row)))
    database = Database(address)
    with database.writing() as tx:
        tx.execute(insert(offering), [columns(record) for record in records])
    seconds = now() - began
    database.close()
    return {"load": seconds}


def push_twice(address: str, body: str, *, by_clock: bool = False) -> dict[str, float]:
    """Seconds of a push through the interface, and of the same again."""
    now = _watch(by_clock)
    bridge = _bridge(address)
    client = create_app(bridge).test_client()
    token = _token(bridge)
    octets = Path(body).read_bytes()
    seconds = []
    for expected in ("created", "unchanged"):
        began = now()
        answer = client.put(
            "/api/v1/centres/C00/schedule",
            data=octets,
            content_type=CSV if body.endswith("csv") else JSON,
            headers={"Authorization": f"Bearer {token}"},
        )
        seconds.append(now() - began)
        summary = orjson.loads(answer.data)["summary"]
        if summary[expected] != summary["rows"] or not summary["rows"]:
            raise RuntimeError(f"the push went wrong: {summary}")
    bridge.close()
    return {"first": seconds[0], "again": seconds[1]}


def _watch(by_clock: bool) -> Callable[[], float]:
    return time.perf_counter if by_clock else time.process_time


def push_memory(address: str, body: str) -> float:
    """MB that a push takes at most, beyond what there was with the body in memory."""
    bridge = _bridge(address)
    octets = Path(body).read_bytes()
    media = CSV if body.endswith("csv") else JSON
    _push(bridge, Body(b"id,title\n", CSV, "UTC"))  # what is imported on first use is not counted
    before = _memory("VmRSS")
    made = _push(bridge, Body(octets, media, CENTRE.time_zone))
    # JSON is decoded as a whole, which is the body once more.
    again = len(octets) if media == JSON else 0
    beyond = _memory("VmHWM") - before - again
    if not made:
        raise RuntimeError("the push had no answer")
    bridge.close()
    return beyond / 1_000_000


def _push(bridge: Bridge, body: Body) -> bytes:
    push, made = Push(body, scan(body), whole=True), []

    def act(context: RunContext) -> None:
        with context.writing() as tx:
            answer = apply_push(tx, context, push, bridge.settings.rules)
            made.append(orjson.dumps(answer.document()))

    report = bridge.runner().run(bridge.request(CENTRE, (Flow.OFFERINGS,)), act)
    if report.status != "done":
        raise RuntimeError(f"the push went wrong: {report.errors}")
    return made[0]


def _memory(which: str) -> int:
    """Bytes that this process has now, or had at most: unlike the figures of ``resource``, those of
    what was there before it was started do not count."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(which))
    return int(line.split()[1]) * 1024


def _bridge(address: str) -> Bridge:
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY": Fernet.generate_key().decode(),
    }
    return build(load_settings(environment))


def _token(bridge: Bridge) -> str:
    with bridge.database.writing() as tx:
        _, text = tokens.add(
            tx,
            purpose="sample",
            reach=DataScope("C00"),
            scopes=[Scope.WRITE_OFFERINGS],
            at=utc_now(),
            by="benchmark",
        )
    return text
