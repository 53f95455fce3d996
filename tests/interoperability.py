"""docs/interoperability.md: which service works with which peer, as the tests saw it.

A test that has seen a service work with a peer that nobody here wrote says so with the fixture
``works``. What a whole run saw is compared with the page; it fails where the two differ, and
``pytest --write-interoperability`` writes the page anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "interoperability.md"
BEGINS, ENDS = "<!-- what the tests saw -->\n", "<!-- end -->\n"
SERVICES = (
    "registration",
    "launch",
    "deep linking",
    "memberships",
    "line items",
    "scores",
    "results",
)
NOT_OFFERED = "–"


@dataclass(frozen=True, slots=True)
class Peer:
    """``lacks`` are the services that the peer does not have: nobody can see them work."""

    name: str
    version: str
    side: str
    how: str
    lacks: tuple[str, ...] = ()


PEERS = {
    "ltijs": Peer("ltijs", "5.9.9", "tool", "real, from npm"),
    "lti-tool-core": Peer("@lti-tool/core", "1.0.6", "tool", "real, from npm"),
    "pylti1p3": Peer("PyLTI1p3", "2.0.0", "tool", "real, from PyPI", ("registration",)),
    "moodle as tool": Peer("Moodle", "4.5", "tool", "its recorded messages", ("results",)),
    "xblock": Peer(
        "lti-consumer-xblock", "11.4.4", "platform", "real, from PyPI", ("registration",)
    ),
    "lti1p3platform": Peer(
        "lti1p3platform", "0.1.8", "platform", "real, from PyPI", ("registration",)
    ),
    "moodle as platform": Peer("Moodle", "4.5", "platform", "its recorded messages"),
}
Works = Callable[..., None]
_KEY = "works with a peer"


@pytest.fixture
def works(request: pytest.FixtureRequest) -> Works:
    """Notes that these services were seen to work with a peer; counts once the test has passed."""

    def note(peer: str, *services: str) -> None:
        unknown = [each for each in services if each not in SERVICES]
        if unknown or peer not in PEERS:
            raise ValueError(f"unknown peer or service: {peer}, {unknown}")
        request.node.user_properties.append((_KEY, [peer, *services]))

    return note


class Collected:
    """The controller's: gathers what the tests of all processes saw."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seen: dict[str, set[str]] = {}
        self._problem = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == _KEY and isinstance(value, list):
                    self._seen.setdefault(value[0], set()).update(value[1:])

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._config.getoption("--write-interoperability"):
            PAGE.write_text(page(self._seen, PAGE.read_text("utf-8")), "utf-8")
        elif exitstatus == 0 and self._is_whole():
            kept = PAGE.read_text("utf-8")
            if page(self._seen, kept) != kept:
                self._problem = (
                    f"docs/{PAGE.name} is not what the tests saw: write it again with "
                    "pytest --write-interoperability"
                )
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._problem:
            terminalreporter.write_line(self._problem, red=True)

    def _is_whole(self) -> bool:
        """Only a run of all tests has seen everything that there is to see."""
        options = self._config.option
        only_failed = getattr(options, "lf", False)  # an option of pytest's cache, if it is on
        return (
            self._config.args == self._config.getini("testpaths")
            and not (options.keyword or options.markexpr or only_failed)
            and not options.collectonly
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-interoperability",
        action="store_true",
        help=f"Write docs/{PAGE.name} anew, from what a run of all tests saw.",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collected(config))


def page(seen: dict[str, set[str]], before: str) -> str:
    """The page with the table replaced; all that stands around it is kept."""
    head, _, rest = before.partition(BEGINS)
    _, _, tail = rest.partition(ENDS)
    return f"{head}{BEGINS}{''.join(_table(seen))}{ENDS}{tail}"


def _table(seen: dict[str, set[str]]) -> Iterable[str]:
    yield f"| peer | it is a | seen with | {' | '.join(SERVICES)} |\n"
    yield f"|{' --- |' * (3 + len(SERVICES))}\n"
    for key, peer in PEERS.items():
        cells = [_cell(peer, service, seen.get(key, set())) for service in SERVICES]
        yield f"| {peer.name} {peer.version} | {peer.side} | {peer.how} | {' | '.join(cells)} |\n"


def _cell(peer: Peer, service: str, seen: set[str]) -> str:
    if service in seen:
        return "works"
    return NOT_OFFERED if service in peer.lacks else "not seen"
