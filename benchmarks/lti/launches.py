"""Launches a second: logins, then what the platform answers, each tool for itself.

The platform's signatures are made between the two, so that no tool waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.lti.loading import CONNECTIONS, Script, followed, post, run
from benchmarks.lti.platform import COURSE, Platform, platform
from benchmarks.lti.serving import seconds_of_work
from benchmarks.lti.tools import BRIDGE, CORE, GUNICORN, PLAIN, README, TOOLS, Tool
from benchmarks.report import Row

LAUNCHES, ROUNDS, WARM_UP = 200, 15, 100
LEAST_OF_PLAIN, LEAST_OF_CORE = 2.5, 1.3


@dataclass
class Visit:
    """One browser on its way through a launch."""

    cookies: dict[str, str] = field(default_factory=dict)
    requested: dict[str, str] = field(default_factory=dict)
    page: bytes = b""

    def login(self, tool: Tool, platform: Platform) -> Script:
        answer = yield post(tool.login, platform.login(tool.launch), self.cookies)
        self.requested = answer.requested()
        answer.keep_cookies(self.cookies)
        if "state" not in self.requested:
            raise RuntimeError(f"{tool.name}: {answer.status} {answer.body[:500]!r}")

    def launch(self, tool: Tool, platform: Platform, form: dict[str, str] | None = None) -> Script:
        first = post(tool.launch, form or self.form(tool, platform), self.cookies)
        self.page = yield from followed(first, tool.launch, self.cookies)

    def form(self, tool: Tool, platform: Platform) -> dict[str, str]:
        """The platform's answer to the login."""
        token = platform.id_token(self.requested["nonce"], tool.launch)
        return {"id_token": token, "state": self.requested["state"]}


def launch_all(tool: Tool, platform: Platform, launches: Sequence[Visit]) -> float:
    """The seconds that these launches took the tool."""
    address = tool.server.address
    seconds = run(address, (each.login(tool, platform) for each in launches))
    forms = [each.form(tool, platform) for each in launches]
    pairs = zip(launches, forms, strict=True)
    seconds += run(address, (each.launch(tool, platform, form) for each, form in pairs))
    if not all(COURSE.encode() in each.page for each in launches):
        raise RuntimeError(f"{tool.name}: a launch did not arrive: {launches[0].page[:500]!r}")
    return seconds


@dataclass
class Measured:
    """One tool's rounds: launches a second, and milliseconds of CPU time for each launch."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def rates(folder: Path, names: Sequence[str] = tuple(TOOLS), rounds: int = ROUNDS) -> list[Row]:
    """All tools in turn, in rounds; the ratios are those of the same round."""
    found = {name: Measured() for name in names}
    with ExitStack() as stack:
        sender = stack.enter_context(platform())
        tools = [stack.enter_context(TOOLS[name](sender, folder)) for name in names]
        for tool in tools:
            launch_all(tool, sender, [Visit() for _ in range(WARM_UP)])
        for _ in range(rounds):
            for tool in tools:
                before = seconds_of_work(tool.server.process)
                seconds = launch_all(tool, sender, [Visit() for _ in range(LAUNCHES)])
                worked = seconds_of_work(tool.server.process) - before
                found[tool.name].rates.append(LAUNCHES / seconds)
                found[tool.name].cpu.append(worked / LAUNCHES * 1e3)
    return [_row(name, found) for name in names]


def _row(name: str, found: dict[str, Measured]) -> Row:
    own, ours = found[name], found.get(BRIDGE)
    rate = f"{median(own.rates):,.0f}/s, rounds {min(own.rates):,.0f}-{max(own.rates):,.0f}"
    rate += f", {median(own.cpu):.2f} ms CPU each"
    what = f"Launches, 1 worker, {CONNECTIONS} connections: {name}"
    if ours is None or own is ours:
        return Row(what, rate, raw=asdict(own))
    ratio = median(a / b for a, b in zip(ours.rates, own.rates, strict=True))
    of_cpu = median(own.cpu) / median(ours.cpu)
    plain = dict.fromkeys((PLAIN, GUNICORN, README), LEAST_OF_PLAIN)
    least = {**plain, CORE: LEAST_OF_CORE}.get(name)
    return Row(
        what,
        f"{rate}; the bridge {ratio:.2f} x, by CPU time {of_cpu:.2f} x",
        "" if least is None else f"the bridge >= {least} x",
        None if least is None else ratio >= least,
        asdict(own),
    )
