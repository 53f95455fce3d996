"""Reading: enrolments page by page, all or what changed, and what the catalogue shows now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from connectors.academy_http.client import Client
from lms_bridge.domain.errors import IncompleteRead, NotUnderstood
from lms_bridge.domain.ports import Answer, Raw, Reading
from lms_bridge.domain.wanted import REMOVED

SHOWN_AT_ONCE = 50
"""Codes in one query: short enough for every server's limit on the length of an address."""
LONGEST_CURSOR = 200
GONE = 410


@dataclass(frozen=True, slots=True)
class _Page:
    items: list[object]
    cursor: str
    """The one that the page was asked for with."""
    next: str
    changes: str


def everything(client: Client, centre: str, size: int) -> Reading:
    """A whole read, one answer per page; the last one gives the cursor of later changes.

    The scope is the page's cursor: pages keep their order, so that a page whose records did not
    change has the same bytes again.
    """
    for page, cursor in _pages(client, centre, size, ""):
        yield _answer(page, cursor, whole=True)


def changes(client: Client, centre: str, size: int, cursor: str) -> Reading:
    """What changed since a cursor. One that the platform no longer knows makes it read all
    records once; their silence still means nothing, so that only a whole read removes any."""
    try:
        for page, goes_on in _pages(client, centre, size, cursor):
            yield _answer(page, goes_on, whole=False)
    except _CursorGone:
        for page, goes_on in _pages(client, centre, size, ""):
            yield _answer(page, goes_on, whole=False)


class _CursorGone(IncompleteRead):
    """The platform no longer knows the cursor that the reading was to begin from."""


def _pages(client: Client, centre: str, size: int, cursor: str) -> Iterator[tuple[_Page, str]]:
    """Pages with the cursor to go on from, which is empty for all but the last: whoever remembers
    an earlier one would never see the rest."""
    asked: set[str] = set()
    start = ""
    while True:
        asked.add(cursor)
        page = _page(client, centre, size, cursor, first=len(asked) == 1)
        # The first page's: changes made while later pages are read are not to be missed.
        start = start or page.changes
        yield page, "" if page.next else start
        if not page.next:
            return
        if page.next in asked:
            raise NotUnderstood("cursor-loop", "A page of enrolments names an earlier one as next.")
        cursor = page.next


def _page(client: Client, centre: str, size: int, cursor: str, *, first: bool) -> _Page:
    query = [("centre", centre), ("limit", str(size))]
    if cursor:
        query.append(("cursor", cursor))
    reply = client.get("/enrolments", query, returns={GONE})
    if reply.status == GONE:
        kind = _CursorGone if first and cursor else IncompleteRead
        raise kind("cursor-gone", "The platform no longer knows the cursor of a page.")
    following, since = reply.data.get("next"), reply.data.get("changes")
    if not (following is None or isinstance(following, str)) or not isinstance(since, str):
        raise NotUnderstood("not-the-contract", "A page of enrolments has no cursors.")
    if not since:
        raise NotUnderstood("not-the-contract", "A page of enrolments has an empty cursor.")
    if max(len(since), len(following or "")) > LONGEST_CURSOR:
        problem = f"A page of enrolments has a cursor of more than {LONGEST_CURSOR} characters."
        raise NotUnderstood("not-the-contract", problem)
    return _Page(reply.items(), cursor, following or "", since)


def _answer(page: _Page, cursor: str, *, whole: bool) -> Answer:
    # The items alone: the cursors beside them change when anything changes anywhere.
    body = orjson.dumps(page.items)
    parse = partial(_records, page.items, "id")
    return Answer(page.cursor, (body,), parse, whole=whole, cursor=cursor)


def offerings(client: Client, external_ids: Sequence[str]) -> Reading:
    """What the catalogue holds; one answer per request, whose scope is its first code."""
    for start in range(0, len(external_ids), SHOWN_AT_ONCE):
        codes = external_ids[start : start + SHOWN_AT_ONCE]
        items = client.get("/offerings", [("ids", code) for code in codes]).items()
        body = orjson.dumps([list(codes), items])
        yield Answer(codes[0], (body,), partial(_shown, codes, items))


def _shown(codes: Sequence[str], items: Sequence[object]) -> Iterator[Raw]:
    """One record per code: what was asked for and is not there is not shown to the public."""
    held = {raw.external_id: raw for raw in _records(items, "code")}
    for code in codes:
        yield held.get(code) or Raw(code, {"state": REMOVED})


def _records(items: Iterable[object], name: str) -> Iterator[Raw]:
    for item in items:
        external_id = item.get(name) if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(external_id, str) or not external_id:
            raise NotUnderstood("not-the-contract", f'A record has no text "{name}".')
        yield Raw(external_id, item)
