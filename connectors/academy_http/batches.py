"""Writing: batches of 100, an outcome per row, and a refused batch halved down to its bad row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.academy_http.client import Client
from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    NotUnderstood,
    Overloaded,
    RecordRefused,
    Unreachable,
)
from lms_bridge.domain.ports import Done, Failed, Order, Outcomes

SIZE = 100
"""Items in a batch: the contract's most."""
REFUSED = frozenset({400, 409, 413, 422})
"""Statuses to a batch that may be the fault of one of its rows."""

_E_MAIL = re.compile(r"\S+@\S+")
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of record: where its batches go, its item and its external id ("" for none)."""

    path: str
    item: Callable[[Order], Mapping[str, object]]
    external_id: Callable[[Order], str]


@dataclass(frozen=True, slots=True)
class _Row:
    order: Order
    external_id: str
    item: Mapping[str, object]


def put(client: Client, target: Target, orders: Sequence[Order]) -> Outcomes:
    """Sends all orders; a row that the platform refuses stops no other.

    Raises:
        RetryLater, StopRun: by ``Client``; rows without an outcome were perhaps stored.
    """
    rows = []
    for order in orders:
        external_id = target.external_id(order)
        if external_id:
            rows.append(_Row(order, external_id, target.item(order)))
        else:
            yield Failed(order.key, RecordRefused("no-id", "The record has no identity."))
    for start in range(0, len(rows), SIZE):
        yield from _send(client, target.path, rows[start : start + SIZE])


def _send(client: Client, path: str, rows: Sequence[_Row]) -> Outcomes:
    reply = client.post_batch(path, [row.item for row in rows], returns=REFUSED)
    if reply.status not in REFUSED:
        yield from _outcomes(rows, reply.items())
    elif len(rows) == 1:
        yield Failed(rows[0].order.key, _error(reply.status, reply.data))
    else:
        half = len(rows) // 2
        yield from _send(client, path, rows[:half])
        yield from _send(client, path, rows[half:])


def _outcomes(rows: Sequence[_Row], answers: Sequence[object]) -> Outcomes:
    if len(answers) != len(rows):
        raise NotUnderstood(
            "not-the-contract", f"A batch of {len(rows)} rows was answered with {len(answers)}."
        )
    for row, answer in zip(rows, answers, strict=True):
        status = answer.get("status") if isinstance(answer, Mapping) else None
        if not isinstance(answer, Mapping) or not isinstance(status, int):
            raise NotUnderstood("not-the-contract", "A row of a batch was answered without status.")
        if 200 <= status < 300:
            yield Done(row.order.key, row.external_id)
        else:
            yield Failed(row.order.key, _error(status, answer.get("problem")))


def _error(status: int, problem: object) -> BridgeError:
    """The error that a row's status stands for. ``detail`` is not repeated: it may be personal."""
    problem = problem if isinstance(problem, Mapping) else {}
    title = _E_MAIL.sub("(an address)", str(problem.get("title") or "no reason given"))
    message = f"The Academy answered with status {status}: {title[:_LONGEST_TITLE]}"
    if status in (401, 403):
        return AccessDenied("access-denied", message)
    if status in (408, 429, 503):
        return Overloaded("asked-to-wait", message)
    if status >= 500:
        return Unreachable("server-error", message, applied=True)
    return RecordRefused("refused-by-academy", message, field=_field(problem))


def _field(problem: Mapping[str, object]) -> str:
    """The member at fault, from the first JSON pointer such as ``#/items/3/starts_at``."""
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    pointer = first.get("pointer") if isinstance(first, Mapping) else None
    name = str(pointer or "").rpartition("/")[2]
    return name if re.fullmatch(r"[a-z_]{1,40}", name) else ""


def _offering_id(order: Order) -> str:
    return order.external_id or str(order.wanted.get("code") or "")


def _offering(order: Order) -> Mapping[str, object]:
    return {**order.wanted, "code": _offering_id(order)}


def _result_names(order: Order) -> tuple[str, str]:
    if order.external_id:
        offering, _, learner = order.external_id.rpartition("/")
        return offering, learner
    account = order.wanted.get("account") or order.wanted.get("learner")
    return str(order.wanted.get("offering") or ""), str(account or "")


def _result_id(order: Order) -> str:
    names = _result_names(order)
    return "/".join(names) if all(names) else ""


def _result(order: Order) -> Mapping[str, object]:
    offering, learner = _result_names(order)
    kept = {name: value for name, value in order.wanted.items() if name != "account"}
    return {"state": "active", **kept, "offering": offering, "learner": learner}


OFFERINGS = Target("/offerings/batch", _offering, _offering_id)
RESULTS = Target("/results/batch", _result, _result_id)
