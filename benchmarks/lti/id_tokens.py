"""id_tokens a second as a platform: the authentication endpoint, over HTTP, with one worker.

The bridge's launches are begun beforehand; each answer takes its login and its nonce once, in the
database, and looks up the learner's place. The peer has nothing to look up.
"""

from __future__ import annotations

import html
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import orjson
from cryptography.fernet import Fernet

from benchmarks.lti.loading import Script, get, run
from benchmarks.lti.serving import Served, free_port, seconds_of_work, served
from benchmarks.report import Row
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.lti import registrations
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.browser_cookie import COOKIE
from lms_bridge.lti.platform.launch import start_launch
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.lti.vocabulary import SCOPES
from lms_bridge.settings import load
from lms_bridge.store import migrate
from lms_bridge.store.database import Database
from tests.integration.lti_platform.world import seed
from tests.peers.installing import ROOT, installed

ROUNDS, OURS, THEIRS = 5, 400, 40
LEAST = 40.0
CLIENT, TOOL = "benchmark-tool", "https://tool.example.org"
_TOKEN = re.compile(rb'name="id_token"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="id_token"')


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform that runs. ``begin`` begins a launch and gives the request that the browser
    comes back with."""

    server: Served
    begin: Callable[[], bytes]


@contextmanager
def bridge(folder: Path) -> Iterator[Platform]:
    port = free_port()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": f"sqlite:///{folder / 'platform.db'}",
        "LMS_BRIDGE_SECRETS__KEY": Fernet.generate_key().decode(),
        "LMS_BRIDGE_LTI__ADDRESS": f"http://127.0.0.1:{port}",
        "LMS_BRIDGE_CLOCK__ENABLED": "false",
        "LMS_BRIDGE_WEB__REQUESTS_PER_MINUTE": "1000000",  # counted, but never too many
        "LMS_BRIDGE_LOG__LEVEL": "warning",
    }
    database = Database(environment["LMS_BRIDGE_STORE__ADDRESS"])
    migrate.upgrade(database)
    seed(database)
    with database.writing() as tx:
        registrations.add(tx, _registration())
    database.close()
    own = build(load(environment))
    command = [sys.executable, "-m", "lms_bridge", "serve", "--port", str(port)]
    try:
        with served(command, port, folder, environment) as server:
            yield Platform(server, lambda: _request(own, server))
    finally:
        own.close()


def _registration() -> LtiRegistration:
    return LtiRegistration(
        Side.TOOL,
        name="The benchmarks' tool (sample)",
        centre="ONE",
        client_id=CLIENT,
        deployment_ids=("1",),
        initiate_login_uri=f"{TOOL}/login",
        redirect_uris=(f"{TOOL}/launch",),
        target_link_uri=f"{TOOL}/launch",
        jwks_uri=f"{TOOL}/keys",
        scopes=SCOPES,
        status=Status.ACTIVE,
    )


def _request(own: Bridge, server: Served) -> bytes:
    browser = secrets.token_urlsafe(24)
    login = start_launch(lti_of(own).context, "acad-1", "OFF-1", browser=browser)
    requested = _asked(login.fields["login_hint"], login.fields["lti_message_hint"])
    address = f"{server.address}{endpoints.AUTHENTICATION}?{urlencode(requested)}"
    return get(address, {COOKIE: browser})


def _asked(hint: str, message: str) -> dict[str, str]:
    """OpenID Connect, with the fixed values of the Security Framework 1.1, section 5.1.1.2."""
    return {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": CLIENT,
        "redirect_uri": f"{TOOL}/launch",
        "login_hint": hint,
        "lti_message_hint": message,
        "state": secrets.token_urlsafe(24),
        "nonce": secrets.token_urlsafe(24),
    }


@contextmanager
def peer() -> Iterator[Platform]:
    """lti1p3platform with its FastAPI adapter."""
    own, port = installed(ROOT / "benchmarks/lti/peers/lti1p3-platform"), free_port()
    reported = {
        "issuer": f"http://127.0.0.1:{port}",
        "client_id": CLIENT,
        "launch": f"{TOOL}/launch",
        "login": f"{TOOL}/login",
    }
    program = str(own / "venv" / "bin" / "granian")
    where = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    command = [program, "--interface", "asgi", "--workers", "1", *where, "app:app"]
    with served(command, port, own, {"TOOL": orjson.dumps(reported).decode()}) as server:
        address = f"{server.address}/auth"
        yield Platform(server, lambda: get(f"{address}?{urlencode(_asked('17', '305'))}"))


def rates(folder: Path, rounds: int = ROUNDS) -> list[Row]:
    """Both in turn, in rounds; the ratio is that of the same round."""
    ours: list[float] = []
    theirs: list[float] = []
    cpu: dict[str, list[float]] = {"ours": [], "theirs": []}
    with ExitStack() as stack:
        own, other = stack.enter_context(bridge(folder)), stack.enter_context(peer())
        for platform in (own, other):
            _rate(platform, 10, [])
        for _ in range(rounds):
            ours.append(_rate(own, OURS, cpu["ours"]))
            theirs.append(_rate(other, THEIRS, cpu["theirs"]))
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    of_cpu = median(cpu["theirs"]) / median(cpu["ours"])
    return [
        Row(
            "id_tokens as a platform, 1 worker, 4 connections: of lti1p3platform's",
            f"{ratio:.1f} x ({median(ours):,.0f}/s of {median(theirs):,.1f}/s), "
            f"by CPU time {of_cpu:.1f} x ({median(cpu['ours']):.2f} ms each)",
            f">= {LEAST:.0f} x",
            ratio >= LEAST,
            {"ours": ours, "theirs": theirs, "cpu_ms": cpu},
        )
    ]


def _rate(platform: Platform, number: int, cpu: list[float]) -> float:
    requests = [platform.begin() for _ in range(number)]
    pages: list[bytes] = []
    before = seconds_of_work(platform.server.process)
    seconds = run(platform.server.address, (_ask(request, pages) for request in requests))
    cpu.append((seconds_of_work(platform.server.process) - before) / number * 1e3)
    tokens = {_token(page) for page in pages}
    if len(tokens) != number:
        raise RuntimeError(f"{len(tokens)} id_tokens of {number}: {pages[0][:500]!r}")
    return number / seconds


def _ask(request: bytes, pages: list[bytes]) -> Script:
    answer = yield request
    pages.append(answer.body)


def _token(page: bytes) -> str:
    found = _TOKEN.search(page)
    if found is None:
        raise RuntimeError(f"no id_token: {page[:500]!r}")
    return html.unescape((found[1] or found[2]).decode())
