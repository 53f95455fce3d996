"""What records are called in front of people: codes and ids, never a person's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from lms_bridge.cli.output import clean, shortened
from lms_bridge.domain.model import Kind
from lms_bridge.store import enrolments, learners, offerings, results


def names_of(tx: Connection, kind: Kind, record_ids: Iterable[int]) -> dict[int, str]:
    """{record id: name}; records that are not there are left out."""
    ids = list(record_ids)
    if kind is Kind.OFFERING:
        found = offerings.offerings(tx, ids)
        return {id_: f"{each.code} {_title(each.title)}" for id_, each in found.items()}
    if kind is Kind.LEARNER:
        return {id_: each.academy_id for id_, each in learners.learners(tx, ids).items()}
    if kind is Kind.ENROLMENT:
        stored = enrolments.enrolments(tx, ids)
        return {
            id_: f"{each.record.learner} in {each.record.offering}" for id_, each in stored.items()
        }
    return {
        id_: f"{each.learner} in {each.offering}"
        for id_, (_, each) in results.results(tx, ids).items()
    }


def _title(title: str) -> str:
    return f'"{shortened(clean(title), 50)}"'


def names_of_items(
    tx: Connection, items: Iterable[Mapping[str, Any]]
) -> dict[tuple[str, int], str]:
    """{(kind, record id): name} of all records that items of a run are about."""
    ids: dict[Kind, set[int]] = {}
    for item in items:
        if item["record_id"] is not None and item["kind"] in set(Kind):
            ids.setdefault(Kind(item["kind"]), set()).add(item["record_id"])
    return {
        (kind, id_): name
        for kind, wanted in ids.items()
        for id_, name in names_of(tx, kind, wanted).items()
    }
