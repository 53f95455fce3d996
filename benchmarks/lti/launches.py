"""Launches a second: logins, then what the platform answers, each tool for itself.

The platform's signatures are made between the two, so that no tool waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.lti.loading import CONNECTIONS, Script, followed, post, run
from benchmarks.lti.platform import Platform, platform
from benchmarks.lti.tools import BRIDGE, CORE, PLAIN, TOOLS, Tool
from benchmarks.report import Row

LAUNCHES, ROUNDS, WARM_UP = 600, 5, 100
LEAST_OF_PLAIN, LEAST_OF_CORE = 4.0, 1.0


@dataclass
class Visit:
    """One browser on its way through a launch."""

    cookies: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    page: bytes = b""

    def login(self, tool: Tool, platform: Platform) -> Script:
        answer = yield post(tool.login, platform.login(tool.launch), self.cookies)
        self.asked = answer.asked()
        self.cookies.update(answer.cookies())
        if "state" not in self.asked:
            raise RuntimeError(f"{tool.name}: {answer.status} {answer.body[:500]!r}")

    def launch(self, tool: Tool, form: dict[str, str]) -> Script:
        first = post(tool.launch, form, self.cookies)
        self.page = yield from followed(first, tool.launch, self.cookies)


def launch_all(tool: Tool, platform: Platform, visits: Sequence[Visit]) -> float:
    """The seconds that these launches took the tool."""
    address = tool.server.address
    seconds = run(address, (each.login(tool, platform) for each in visits))
    forms = [
        {
            "id_token": platform.id_token(each.asked["nonce"], tool.launch),
            "state": each.asked["state"],
        }
        for each in visits
    ]
    pairs = zip(visits, forms, strict=True)
    seconds += run(address, (each.launch(tool, form) for each, form in pairs))
    if not all(b"Ada Example" in each.page for each in visits):
        raise RuntimeError(f"{tool.name}: a launch did not arrive: {visits[0].page[:500]!r}")
    return seconds


def rates(folder: Path, names: Sequence[str] = tuple(TOOLS), rounds: int = ROUNDS) -> list[Row]:
    """All tools in turn, in rounds; the ratios are those of the same round."""
    found: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        sender = stack.enter_context(platform())
        tools = [stack.enter_context(TOOLS[name](sender, folder)) for name in names]
        for tool in tools:
            launch_all(tool, sender, [Visit() for _ in range(WARM_UP)])
        for _ in range(rounds):
            for tool in tools:
                seconds = launch_all(tool, sender, [Visit() for _ in range(LAUNCHES)])
                found[tool.name].append(LAUNCHES / seconds)
    return [_row(name, found) for name in names]


def _row(name: str, found: dict[str, list[float]]) -> Row:
    rate = f"{median(found[name]):,.0f}/s, rounds {min(found[name]):,.0f}-{max(found[name]):,.0f}"
    what = f"Launches, 1 worker, {CONNECTIONS} connections: {name}"
    if name == BRIDGE or BRIDGE not in found:
        return Row(what, rate, raw={"rates": found[name]})
    ratio = median(ours / theirs for ours, theirs in zip(found[BRIDGE], found[name], strict=True))
    least = {PLAIN: LEAST_OF_PLAIN, CORE: LEAST_OF_CORE}.get(name)
    return Row(
        what,
        f"{rate}; the bridge {ratio:.2f} x",
        "" if least is None else f"the bridge >= {least} x",
        None if least is None else ratio >= least,
        {"rates": found[name]},
    )
