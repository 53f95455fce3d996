"""The state of a run, from everything that is known at its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.model import Kind
from lms_bridge.store.waits import HELD as HELD_RECORDS
from lms_bridge.store.waits import Wait
from lms_bridge.sync.context import APPLIED

DONE, PARTIAL, FAILED, HELD, BUSY = "done", "partial", "failed", "held", "busy"
WAITING = "waiting"
WORST_FIRST = ("cut off", FAILED, PARTIAL, HELD, WAITING, DONE)
UNKNOWN = "unknown"
_NOTHING_WAS_TRIED = ("connect", "lease", "database", "defect")
_UNMATCHED = f"{Kind.LEARNER}.create.would wait"
_PROGRESS = ("pages.read", ".acknowledged", f".{APPLIED}")


def worst(statuses: Collection[str]) -> str:
    """The worst of the states of a centre's flows."""
    return next((each for each in WORST_FIRST if each in statuses), UNKNOWN)


def state_in_words(states: Mapping[str, str]) -> str:
    """The worst state of {flow: state}, with the flows that have it unless all do."""
    found = worst(states.values()) if states else ""
    flows = [flow for flow, state in states.items() if state == found]
    return found if len(flows) == len(states) else f"{found} ({', '.join(flows)})"


def state_of(
    counts: Mapping[str, int],
    errors: Sequence[tuple[str, BridgeError]],
    held: Sequence[int],
    waits: Sequence[Wait],
) -> str:
    """Failed outranks partial, held, waiting and done. A run is done if nothing at all waits."""
    if any(step in _NOTHING_WAS_TRIED for step, _ in errors):
        return FAILED
    seen = [key for key, number in counts.items() if number]
    states = {key.rpartition(".")[2] for key in seen}
    if errors or states & {"failed", "quarantined"}:
        return PARTIAL if any(key.endswith(_PROGRESS) for key in seen) else FAILED
    if held or states & {"held", "would be held"} or any(e.what == HELD_RECORDS for e in waits):
        return HELD
    return WAITING if waits or "waits" in states or _UNMATCHED in seen else DONE
