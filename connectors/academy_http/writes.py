"""Writes offerings and results in batches. Each row has its own outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lms_bridge.connectors.academy_http.client import AcademyHttpClient, AcademyHttpReply
from lms_bridge.domain.batches import bisected, chunks
from lms_bridge.domain.document import Document, Json
from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    NotUnderstood,
    Overloaded,
    RecordRefused,
    Unreachable,
)
from lms_bridge.domain.ports import (
    CENTRE_NAME,
    REGION,
    WriteFailed,
    WriteRequest,
    WriteResults,
    Written,
)

SIZE = 100
"""The largest batch that the contract allows."""
REFUSED = frozenset({400, 409, 413, 422})
"""Statuses that one bad row can cause for the whole batch."""

_E_MAIL = re.compile(r"\S+@\S+")
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class _Row:
    request: WriteRequest
    external_id: str
    """Empty if the order does not say which record it is about."""
    item: Mapping[str, object]


def write_offerings(client: AcademyHttpClient, requests: Sequence[WriteRequest]) -> WriteResults:
    return _write(client, "/offerings/batch", map(_offering, requests))


def write_results(client: AcademyHttpClient, requests: Sequence[WriteRequest]) -> WriteResults:
    return _write(client, "/results/batch", map(_result, requests))


def _write(client: AcademyHttpClient, path: str, rows: Iterator[_Row]) -> WriteResults:
    """Sends all rows. A row that the platform refuses stops no other.

    Raises:
        RetryLater, StopRun: from ``AcademyHttpClient``. Rows without an outcome may be stored.
    """
    named = []
    for row in rows:
        if row.external_id:
            named.append(row)
        else:
            yield WriteFailed(
                row.request.key, RecordRefused("no-id", "The record has no identity.")
            )
    for batch in chunks(named, SIZE):
        for some, reply in bisected(batch, _sender(client, path)):
            if isinstance(reply, RecordRefused):
                yield WriteFailed(some[0].request.key, reply)
            else:
                yield from _outcomes(some, reply.items())


def _sender(client: AcademyHttpClient, path: str) -> Callable[[Sequence[_Row]], AcademyHttpReply]:
    def send(rows: Sequence[_Row]) -> AcademyHttpReply:
        reply = client.post_batch(path, [row.item for row in rows], returns=REFUSED)
        if reply.status in REFUSED:
            raise _error(reply.status, reply.data)
        return reply

    return send


def _outcomes(rows: Sequence[_Row], answers: Sequence[object]) -> WriteResults:
    if len(answers) != len(rows):
        raise NotUnderstood(
            "not-the-contract",
            f"A batch was not answered row by row. Rows: {len(rows)}, answers: {len(answers)}.",
        )
    for row, answer in zip(rows, answers, strict=True):
        status = answer.get("status") if isinstance(answer, Mapping) else None
        if not isinstance(answer, Mapping) or not isinstance(status, int):
            raise NotUnderstood("not-the-contract", "A row of a batch was answered without status.")
        if 200 <= status < 300:
            yield Written(row.request.key, row.external_id)
        else:
            yield WriteFailed(row.request.key, _error(status, answer.get("problem")))


def _error(status: int, problem: object) -> BridgeError:
    """The error for a status. ``detail`` is not repeated, since it may hold personal data."""
    problem = problem if isinstance(problem, Mapping) else {}
    title = _E_MAIL.sub("(an address)", str(problem.get("title") or "no reason given"))
    message = f"The Academy answered with status {status}: {title[:_LONGEST_TITLE]}"
    if status in (401, 403):
        return AccessDenied("access-denied", message)
    if status in (408, 429, 503):
        return Overloaded("asked-to-wait", message)
    if status >= 500:
        return Unreachable("server-error", message, applied=True)
    return RecordRefused("refused-by-academy", message, field=_bad_field(problem))


def _bad_field(problem: Mapping[str, object]) -> str:
    """The last part of the first JSON pointer, such as ``starts_at`` of ``#/items/3/starts_at``."""
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    pointer = first.get("pointer") if isinstance(first, Mapping) else None
    name = str(pointer or "").rpartition("/")[2]
    return name if re.fullmatch(r"[a-z_]{1,40}", name) else ""


def _offering(request: WriteRequest) -> _Row:
    code = request.external_id or str(request.desired.get("code") or "")
    return _Row(request, code, {**_contract_fields(request.desired), "code": code})


def _contract_fields(desired: Document) -> dict[str, Json]:
    """The offering's own fields: the contract has no others."""
    return {name: value for name, value in desired.items() if name not in (CENTRE_NAME, REGION)}


def _result(request: WriteRequest) -> _Row:
    document = request.desired
    if request.external_id:
        offering, _, learner = request.external_id.rpartition("/")
    else:
        offering = str(document.get("offering") or "")
        learner = str(document.get("account") or document.get("learner") or "")
    fields = {name: value for name, value in document.items() if name != "account"}
    item = {"state": "active", **fields, "offering": offering, "learner": learner}
    return _Row(request, f"{offering}/{learner}" if offering and learner else "", item)
