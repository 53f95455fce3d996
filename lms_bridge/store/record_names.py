"""What people call a record in messages: the course and the learner's Academy id, never a name."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind
from lms_bridge.store import enrolments, learners, links, offerings, results

LONGEST_TITLE = 50


def record_names(tx: Connection, kind: Kind, record_ids: Iterable[int]) -> dict[int, str]:
    """{record id: name}; records that do not exist are left out."""
    ids = list(record_ids)
    if kind is Kind.OFFERING:
        found = offerings.offerings(tx, ids)
        return {id_: f"{each.code} {_title(each.title)}" for id_, each in found.items()}
    if kind is Kind.LEARNER:
        return {id_: each.academy_id for id_, each in learners.learners(tx, ids).items()}
    if kind is Kind.ENROLMENT:
        stored = enrolments.enrolments(tx, ids)
        pairs = {id_: (each.record.learner, each.record.offering) for id_, each in stored.items()}
    else:
        known = results.results(tx, ids)
        pairs = {id_: (each.learner, each.offering) for id_, (_, each) in known.items()}
    records = offerings.offerings_by_code(tx, {code for _, code in pairs.values()})
    titles = {code: f" {_title(record.title)}" for code, (_, record) in records.items()}
    return {id_: f"{who} in {code}{titles.get(code, '')}" for id_, (who, code) in pairs.items()}


def course_name(tx: Connection, system: str, external_id: str) -> str:
    """What an offering is called that has this id in a system; "" if there is none."""
    known = links.by_external_id(tx, system, Kind.OFFERING, [external_id]).get(external_id)
    if known is None:
        return ""
    return record_names(tx, Kind.OFFERING, [known.record_id]).get(known.record_id, "")


def _title(title: str) -> str:
    printable = "".join(each if each.isprintable() else " " for each in title)
    cut = printable if len(printable) <= LONGEST_TITLE else f"{printable[: LONGEST_TITLE - 1]}…"
    return f'"{cut}"'
