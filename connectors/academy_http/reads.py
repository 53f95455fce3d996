"""Reads enrolments page by page, and the offerings that the catalogue shows now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import orjson

from lms_bridge.connectors.academy_http.client import AcademyHttpClient, is_json, reply_of
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import REMOVED
from lms_bridge.domain.errors import IncompleteRead, NotUnderstood
from lms_bridge.domain.ports import Page, Pages, RawRecord, Slices
from lms_bridge.http import foreign_json
from lms_bridge.http.client import Response

CODES_AT_ONCE = 50
"""Codes in one query. This keeps the address short enough for every server."""
LONGEST_CURSOR = 200
GONE = 410


class _Envelope(msgspec.Struct):
    """What is checked of each page. The items become records only where they changed."""

    items: msgspec.Raw
    changes: str
    next: str | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class _Page:
    items: bytes
    """The list of its enrolments, as the platform wrote it."""
    cursor: str
    """The cursor with which this page was requested."""
    next: str
    changes: str


def all_enrolments(client: AcademyHttpClient, centre: str, size: int) -> Pages:
    """All enrolments, one answer per page. The last answer has the cursor for later changes.

    The scope is the page's cursor. Pages keep their order, so a page without changes has the same
    bytes again.
    """
    for page, cursor in _pages(client, centre, size, ""):
        yield _answer(page, cursor, whole=True)


def enrolments_since(client: AcademyHttpClient, centre: str, size: int, cursor: str) -> Pages:
    """The changes since a cursor. If the platform no longer knows the cursor, everything is read.

    Even then the answers are not whole: only ``all_enrolments`` may remove records.
    """
    try:
        for page, next_start in _pages(client, centre, size, cursor):
            yield _answer(page, next_start, whole=False)
    except _CursorGone:
        for page, next_start in _pages(client, centre, size, ""):
            yield _answer(page, next_start, whole=False)


class _CursorGone(IncompleteRead):
    """The platform no longer knows the cursor from which reading was to start."""


def _pages(
    client: AcademyHttpClient, centre: str, size: int, cursor: str
) -> Iterator[tuple[_Page, str]]:
    """Each page with the cursor for the next read. Only the last page has one: a reader who stored
    an earlier one would never see the remaining pages."""
    seen: set[str] = set()
    start = ""
    while True:
        seen.add(cursor)
        page = _page(client, centre, size, cursor, first=len(seen) == 1)
        # The first page's cursor also covers changes made while later pages are read.
        start = start or page.changes
        yield page, "" if page.next else start
        if not page.next:
            return
        if page.next in seen:
            raise NotUnderstood("cursor-loop", "A page of enrolments names an earlier one as next.")
        cursor = page.next


def _page(client: AcademyHttpClient, centre: str, size: int, cursor: str, *, first: bool) -> _Page:
    query = [("centre", centre), ("limit", str(size))]
    if cursor:
        query.append(("cursor", cursor))
    response = client.request("/enrolments", query, returns={GONE})
    if response.status == GONE:
        kind = _CursorGone if first and cursor else IncompleteRead
        raise kind("cursor-gone", "The platform no longer knows the cursor of a page.")
    envelope = _envelope(response)
    items, since, following = bytes(envelope.items), envelope.changes, envelope.next
    if not since:
        raise NotUnderstood("not-the-contract", "A page of enrolments has an empty cursor.")
    if max(len(since), len(following or "")) > LONGEST_CURSOR:
        problem = f"A page of enrolments has a cursor of more than {LONGEST_CURSOR} characters."
        raise NotUnderstood("not-the-contract", problem)
    return _Page(items, cursor, following or "", since)


def _envelope(response: Response) -> _Envelope:
    if is_json(response):
        with suppress(ValueError):
            envelope = foreign_json.check(response.body, _ENVELOPE)
            if bytes(envelope.items).startswith(b"["):
                return envelope
    reply_of(response).items()  # says what is wrong
    raise NotUnderstood("not-the-contract", "A page of enrolments has no cursors.")


def _answer(page: _Page, cursor: str, *, whole: bool) -> Page:
    # The body leaves out the page's cursors, which change whenever any record changes.
    return enrolments_page(page.cursor, page.items, whole=whole, cursor=cursor)


def enrolments_page(scope: str, items: bytes, *, whole: bool = True, cursor: str = "") -> Page:
    """The page with a list of enrolments, which was checked to be JSON."""
    return Page(
        scope,
        (items,),
        lambda: _records(_values(items), "id"),
        whole=whole,
        cursor=cursor,
        slices=Slices(partial(_ITEMS.decode, items), _record),
    )


def _record(item: bytes) -> RawRecord:
    return next(_records([_values(item)], "id"))


def _values(text: bytes) -> Any:
    try:
        return foreign_json.loads(bytes(text))
    except ValueError:
        raise NotUnderstood("not-json", "A page of enrolments is not JSON.") from None


def offerings(client: AcademyHttpClient, external_ids: Sequence[str]) -> Pages:
    """The named offerings in the catalogue. The scope of an answer is its first code."""
    for codes in chunks(external_ids, CODES_AT_ONCE):
        items = client.get("/offerings", [("ids", code) for code in codes]).items()
        body = orjson.dumps([codes, items])
        yield Page(codes[0], (body,), partial(_shown, codes, items))


def _shown(codes: Sequence[str], items: Sequence[object]) -> Iterator[RawRecord]:
    """One record per code. A code that the catalogue leaves out is not shown to the public."""
    held = {raw.external_id: raw for raw in _records(items, "code")}
    for code in codes:
        yield held.get(code) or RawRecord(code, {"state": REMOVED})


def _records(items: Iterable[object], name: str) -> Iterator[RawRecord]:
    for item in items:
        external_id = item.get(name) if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(external_id, str) or not external_id:
            raise NotUnderstood("not-the-contract", f'A record has no text "{name}".')
        yield RawRecord(external_id, item)
