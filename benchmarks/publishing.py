"""From publishing an offering to the moment at which a reader finds it, in a large catalogue."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median

import requests

from benchmarks import child
from benchmarks.catalogue import sample_offering
from benchmarks.databases import Databases, both
from benchmarks.lti.serving import free_port, served
from benchmarks.report import Row
from lms_bridge.api import tokens
from lms_bridge.domain.access import EVERYTHING, Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.store import offerings
from lms_bridge.store.database import Database

OFFERINGS, SAMPLES = 100_000, 100
MOST_SECONDS = 5.0
PATIENCE = 120.0
_PAUSE = 0.02
_FAR = "500000"


def publishing(folder: Path) -> list[Row]:
    """Seconds from the request to publish until the page and the interface show the offering, on
    both databases. One process serves and sends."""
    folder.mkdir()
    return [_published(folder, each) for each in both(folder)]


def _published(folder: Path, databases: Databases) -> Row:
    address = databases.fresh("catalogue")
    child.run("catalogue", address=address, many=OFFERINGS)
    codes, token = _reviewed(address)
    port = free_port()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": address,
        "LMS_BRIDGE_SECRETS__KEY_FILE": str(folder / f"{databases.name}.key"),
        "LMS_BRIDGE_WEB__PORT": str(port),
        "LMS_BRIDGE_CLOCK__CATALOGUE": "0 0 1 1 *",
        "LMS_BRIDGE_CLOCK__OFFERINGS_MINUTES": "0",
        "LMS_BRIDGE_CLOCK__ENROLMENTS_MINUTES": _FAR,
        "LMS_BRIDGE_CLOCK__RESULTS_MINUTES": _FAR,
        "LMS_BRIDGE_WEB__REQUESTS_PER_MINUTE": "0",
        "LMS_BRIDGE_API__REQUESTS_PER_MINUTE": "1000000",
        "LMS_BRIDGE_API__OPEN_REQUESTS_PER_MINUTE": "0",
    }
    command = [sys.executable, "-m", "lms_bridge", "serve"]
    with served(command, port, Path.cwd(), environment) as ours, requests.Session() as session:
        seconds = [_seconds(session, ours.address, code, token) for code in codes]
    worst = sorted(seconds)[round(0.99 * len(seconds)) - 1]
    return Row(
        f"{databases.name}: from publishing to found, beside {OFFERINGS:,} offerings: "
        f"p99 of {SAMPLES}",
        f"{worst:.2f} s (median {median(seconds):.2f} s)",
        f"< {MOST_SECONDS:.0f} s",
        worst < MOST_SECONDS,
        {"seconds": seconds},
    )


def _reviewed(address: str) -> tuple[list[str], str]:
    """Adds reviewed offerings; gives their codes, and a token that may publish them."""
    database = Database(address)
    numbers = range(OFFERINGS + 1, OFFERINGS + 1 + 2 * SAMPLES, 2)
    records = [_week(replace(sample_offering(n), status=OfferingStatus.REVIEWED)) for n in numbers]
    with database.writing() as tx:
        offerings.add_offerings(tx, records)
        _, secret = tokens.add(
            tx,
            purpose="benchmark",
            reach=EVERYTHING,
            scopes=(Scope.REVIEW_OFFERINGS,),
            at=utc_now(),
            by="benchmark",
        )
    database.close()
    return [each.code for each in records], secret


def _week(record: Offering) -> Offering:
    """Some of the sample offerings last a day, which the rules refuse."""
    starts = record.starts_at
    return replace(record, ends_at=starts and starts + timedelta(days=5))


def _seconds(session: requests.Session, address: str, code: str, token: str) -> float:
    began = time.monotonic()
    head = {"Authorization": f"Bearer {token}"}
    path = f"{address}/api/v1/offerings/{code}"
    answer = session.post(f"{path}/publish", json={}, headers=head, timeout=PATIENCE)
    if answer.status_code != 200:
        raise RuntimeError(f"{code} was not published: {answer.text}")
    places = (f"{address}/catalogue/{code}", path)
    _until(lambda: all(session.get(each, timeout=PATIENCE).ok for each in places), began)
    return time.monotonic() - began


def _until(found: Callable[[], bool], began: float) -> None:
    pause = threading.Event()
    while not found():
        if time.monotonic() - began > PATIENCE:
            raise RuntimeError("it was never found")
        pause.wait(_PAUSE)
