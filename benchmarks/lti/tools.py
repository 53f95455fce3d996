"""The tools that are launched into: the bridge, as it is served in earnest, and its peers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from cryptography.fernet import Fernet
from sqlalchemy import Connection, insert

from benchmarks.lti.platform import CLIENT, COURSE, COURSE_CODE, DEPLOYMENT, Platform
from benchmarks.lti.serving import Served, free_port, served
from lms_bridge.domain.model import OfferingStatus, RegistrationType
from lms_bridge.lti import registrations
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.store import migrate
from lms_bridge.store.database import Database
from lms_bridge.store.tables import centre, offering
from tests.peers.installing import ROOT, installed, node

BRIDGE, PLAIN, KEPT = "lms_bridge", "PyLTI1p3", "PyLTI1p3 that keeps key sets"
GUNICORN = "PyLTI1p3 on gunicorn"
README = "PyLTI1p3, README and gunicorn to the letter"
SLOW = "PyLTI1p3, with keys as slow as a real Moodle's"
CORE, LTIJS = "@lti-tool/core", "ltijs"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that runs: where its logins begin, and where its launches end."""

    name: str
    server: Served
    login: str
    launch: str


Start = Callable[[Platform, Path], AbstractContextManager[Tool]]


@contextmanager
def bridge(platform: Platform, folder: Path, store: str = "") -> Iterator[Tool]:
    """``lms-bridge serve`` with its default settings, without the clock. ``store`` is the address
    of its database."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    store = store or database_in(folder)
    database = Database(store)
    migrate.upgrade(database)
    with database.writing() as tx:
        registrations.add(tx, _registration(platform))
        _add_course(tx)
    database.close()
    environment = {
        "LMS_BRIDGE_STORE__ADDRESS": store,
        "LMS_BRIDGE_SECRETS__KEY": Fernet.generate_key().decode(),
        "LMS_BRIDGE_LTI__ADDRESS": address,
        "LMS_BRIDGE_CLOCK__ENABLED": "false",
        "LMS_BRIDGE_WEB__REQUESTS_PER_MINUTE": "1000000",  # counted, but never too many
        "LMS_BRIDGE_LOG__LEVEL": "warning",
    }
    command = [sys.executable, "-m", "lms_bridge", "serve", "--port", str(port)]
    with served(command, port, folder, environment) as server:
        yield Tool(BRIDGE, server, f"{address}/lti/tool/login", f"{address}/lti/tool/launch")


def database_in(folder: Path) -> str:
    """The address of the bridge's database."""
    return f"sqlite:///{folder / 'bridge.db'}"


def _add_course(tx: Connection) -> None:
    """The offering that the platform's links name: without it each launch would be refused."""
    tx.execute(
        insert(centre).values(
            code="CRS", name="A sample centre", languages=(), options={}, policy={}
        )
    )
    row = dict.fromkeys(("payment_methods", "languages", "topics", "coordinators"), ())
    tx.execute(
        insert(offering).values(
            **row,
            code=COURSE_CODE,
            centre="CRS",
            title=COURSE,
            status=OfferingStatus.PUBLISHED,
            registration=RegistrationType.DIRECT,
            organisers=(),
            meetings=(),
            translations={},
        )
    )


def _registration(platform: Platform) -> LtiRegistration:
    return LtiRegistration(
        Side.PLATFORM,
        name="The benchmarks' platform (sample)",
        issuer=platform.address,
        client_id=CLIENT,
        deployment_ids=(DEPLOYMENT,),
        authorization_endpoint=platform.authorization,
        token_endpoint=platform.authorization,
        jwks_uri=platform.keys_address,
        status=Status.ACTIVE,
        private_addresses=True,
    )


def _peer(name: str, source: str, command: Callable[[Path, int], list[str]]) -> Start:
    @contextmanager
    def start(platform: Platform, folder: Path) -> Iterator[Tool]:
        del folder
        own = installed(ROOT / source)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        reported = {
            "issuer": platform.address,
            "client_id": CLIENT,
            "deployment": DEPLOYMENT,
            "authorization": platform.authorization,
            "keys": platform.slow_keys_address if name == SLOW else platform.keys_address,
        }
        environment = {
            "PLATFORM": orjson.dumps(reported).decode(),
            "PORT": str(port),
            "LAUNCH": f"{address}/launch",
            "KEPT_KEYS": "1" if name == KEPT else "",
            "FROM_FILE": "1" if name == README else "",
            "NODE_ENV": "production",
        }
        with served(command(own, port), port, own, environment) as server:
            yield Tool(name, server, f"{address}/login", f"{address}/launch")

    return start


def _gunicorn(folder: Path, port: int) -> list[str]:
    """One worker of four threads, which keep connections."""
    program = str(folder / "venv" / "bin" / "gunicorn")
    kind = ["-k", "gthread", "--threads", "4", "-w", "1"]
    return [program, *kind, "--bind", f"127.0.0.1:{port}", "--log-level", "error", "app:app"]


def _gunicorn_itself(folder: Path, port: int) -> list[str]:
    """As gunicorn starts without a word: one worker that keeps no connections."""
    program = str(folder / "venv" / "bin" / "gunicorn")
    return [program, "--bind", f"127.0.0.1:{port}", "--log-level", "error", "app:app"]


def _granian(folder: Path, port: int) -> list[str]:
    program = str(folder / "venv" / "bin" / "granian")
    kind = ["--interface", "wsgi", "--workers", "1", "--blocking-threads", "1"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    return [program, *kind, *where, "app:app"]


def _node(script: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, port: [node(), script]


TOOLS: dict[str, Start] = {
    BRIDGE: bridge,
    PLAIN: _peer(PLAIN, "benchmarks/lti/peers/plain-pylti1p3", _granian),
    GUNICORN: _peer(GUNICORN, "benchmarks/lti/peers/plain-pylti1p3", _gunicorn),
    README: _peer(README, "benchmarks/lti/peers/plain-pylti1p3", _gunicorn_itself),
    SLOW: _peer(SLOW, "benchmarks/lti/peers/plain-pylti1p3", _granian),
    KEPT: _peer(KEPT, "benchmarks/lti/peers/plain-pylti1p3", _granian),
    CORE: _peer(CORE, "tests/peers/lti_tool_core", _node("server.mjs")),
    LTIJS: _peer(LTIJS, "benchmarks/lti/peers/ltijs", _node("server.js")),
}
