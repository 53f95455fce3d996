"""From a registration at the Academy to the centre's Moodle, and from there to a webhook, within
seconds: `serve` as a process of its own between two simulated sites, and no interval near."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from standardwebhooks.webhooks import Webhook as Signer

from lms_bridge.devtools.academy.app import serve as serve_academy
from lms_bridge.devtools.academy.state import SimulatedAcademy
from lms_bridge.devtools.moodle.sample import SampleSize, sample_site
from lms_bridge.devtools.moodle.server import serve as serve_moodle
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.signing import new_secret
from tests.functional.cli.conftest import Cli, codes_of
from tests.integration.webhooks.receiver import Receiver, receiving

PATIENCE = 300.0
SOON = 60.0
"""Seconds. A quiet machine needs two or three; no interval would come round within hours."""
SECRET = new_secret()
LEARNER = {
    "id": "SAMPLE-1",
    "given_name": "Sample",
    "family_name": "Learner",
    "email": "sample1@example.org",
    "language": "en",
    "country": "KE",
}


@contextmanager
def serving(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """`lms-bridge serve`, until the end of the block; gives its address."""
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lms_bridge", "serve"],
            env={
                **os.environ,
                **environment,
                "LMS_BRIDGE_WEB__PORT": "0",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("Serving on")
            yield said.split()[2]
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def seconds_until(true: Callable[[], bool]) -> float:
    began = time.monotonic()
    pause = threading.Event()
    while not true():
        assert time.monotonic() - began < PATIENCE, "it never happened"
        pause.wait(0.05)
    return time.monotonic() - began


def post_event(bridge: str, message: str, offering: str) -> None:
    at = datetime.now(UTC)
    body = json.dumps({"type": "registration.changed", "data": {"offering": offering}})
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(SECRET).sign(message, at, body),
        "Content-Type": "application/json",
    }
    answer = requests.post(f"{bridge}/api/v1/events", data=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 202, answer.text


def enrolled(site: MoodleState) -> bool:
    with site.lock:
        return any(not each.suspended for each in site.enrolments)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_a_registration_reaches_the_centre(
    database_address: str, receiver: Receiver, tmp_path: Path
) -> None:
    site = sample_site("Test", SampleSize(courses=2, people=0, enrolments=0, region="Africa"))
    academy = SimulatedAcademy()
    with serve_moodle(site) as moodle, serve_academy(academy) as academy_address:
        environment = {
            "LMS_BRIDGE_STORE__ADDRESS": database_address,
            "LMS_BRIDGE_SECRETS__KEY_FILE": str(tmp_path / "secret.key"),
            "LMS_BRIDGE_NETWORK__PRIVATE_ADDRESSES": "true",
            "LMS_BRIDGE_ACADEMY__CONNECTOR": "academy_http",
            "LMS_BRIDGE_ACADEMY__ADDRESS": academy_address,
            "LMS_BRIDGE_ACADEMY__TOKEN": academy.token,
            "LMS_BRIDGE_ACADEMY__EVENTS_SECRET": SECRET,
            "LMS_BRIDGE_CLOCK__CATALOGUE": "0 0 1 1 *",
            "LMS_BRIDGE_CLOCK__ENROLMENTS_MINUTES": "500000",
            "LMS_BRIDGE_CLOCK__RESULTS_MINUTES": "500000",
        }
        cli = Cli(environment, tmp_path)
        cli(
            *("centre", "add", "ALPHA", "--name", "Alpha Training Centre", "--region", "africa"),
            *("--time-zone", "Africa/Nairobi", "--address", moodle.url),
            *("-o", "publish_field=itu_publish", "--token-env", "MOODLE_TOKEN"),
        )
        added = cli.json("webhook", "add", receiver.address, "--event", "enrolment.changed")
        receiver.secret = added["secret"]
        cli("sync", "--centre", "ALPHA")
        (code, *_) = codes_of(cli)
        with serving(environment, tmp_path) as bridge:
            academy.enrol("ALPHA", code, LEARNER)
            post_event(bridge, "msg_1", code)
            seconds = seconds_until(lambda: enrolled(site))
            assert seconds < SOON, (tmp_path / "serve.log").read_text()
            receiver.wait_for(1)
            academy.withdraw("e1")
            post_event(bridge, "msg_2", code)
            assert seconds_until(lambda: not enrolled(site)) < SOON
            receiver.wait_for(2)
    states = [(each.body["data"]["status"], each.good) for each in receiver.got]
    assert states == [("enrolled", True), ("withdrawn", True)]
    assert {each.body["data"]["learner"] for each in receiver.got} == {"SAMPLE-1"}
