"""Answers to requests that came with a key, kept so that the same request is done only once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from lms_bridge.store.api_tables import api_answer
from lms_bridge.store.rows import insert_missing

_KEY = ("token_id", "key")


@dataclass(frozen=True, slots=True)
class Claim:
    """One request's right to do what its key stands for."""

    token_id: int
    key: str
    holder: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a key. ``holder`` is empty once the answer is there."""

    digest: bytes
    holder: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime


def claim(tx: Connection, mine: Claim, digest: bytes, at: datetime) -> Kept | None:
    """Claims a key that nobody has; gives what is known of it, which is ours where it says so.
    None where somebody gave it back at this very moment: ask again."""
    row = {
        "token_id": mine.token_id,
        "key": mine.key,
        "digest": digest,
        "holder": mine.holder,
        "headers": {},
        "at": at,
    }
    insert_missing(tx, api_answer, [row], _KEY)
    names = ("digest", "holder", "status", "headers", "body", "at")
    found = tx.execute(select(*(api_answer.c[name] for name in names)).where(*_of(mine))).first()
    return None if found is None else Kept(*found)


def take_over(tx: Connection, mine: Claim, holder: str, at: datetime) -> bool:
    """Takes the claim of a request that ended without an answer."""
    taken = tx.execute(
        update(api_answer)
        .where(*_of(mine), api_answer.c.holder == holder)
        .values(holder=mine.holder, at=at)
    )
    return taken.rowcount == 1


def keep(tx: Connection, mine: Claim, status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Keeps the answer; False when another request has taken the claim over."""
    kept = tx.execute(
        update(api_answer)
        .where(*_of(mine), api_answer.c.holder == mine.holder)
        .values(holder="", status=status, headers=dict(headers), body=body)
    )
    return kept.rowcount == 1


def give_back(tx: Connection, mine: Claim) -> None:
    """Nothing was done: the next request with the key may try."""
    tx.execute(delete(api_answer).where(*_of(mine), api_answer.c.holder == mine.holder))


def purge(tx: Connection, before: datetime) -> None:
    tx.execute(delete(api_answer).where(api_answer.c.at < before))


def _of(mine: Claim) -> tuple[Any, ...]:
    return api_answer.c.token_id == mine.token_id, api_answer.c.key == mine.key
