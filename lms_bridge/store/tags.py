"""Tags: topics and languages of offerings, one row each, to look through the catalogue by."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Connection, delete

from lms_bridge.domain.model import Offering
from lms_bridge.store.links import chunks
from lms_bridge.store.rows import insert_plain
from lms_bridge.store.tables import offering_tag


class Tag(StrEnum):
    TOPIC = "topic"
    LANGUAGE = "language"


LONGEST = 500


def tag_key(text: str) -> str:
    """The form in which a tag is kept and looked for."""
    return text.lower()[:LONGEST]


def add_tags(tx: Connection, records: Mapping[int, Offering]) -> None:
    rows = [
        {"kind": kind, "value": value, "offering_id": record_id}
        for record_id, record in records.items()
        for kind, texts in ((Tag.TOPIC, record.topics), (Tag.LANGUAGE, record.languages))
        for value in sorted({tag_key(text) for text in texts})
    ]
    insert_plain(tx, offering_tag, rows)


def replace_tags(tx: Connection, records: Mapping[int, Offering]) -> None:
    for chunk in chunks(records):
        tx.execute(delete(offering_tag).where(offering_tag.c.offering_id.in_(chunk)))
    add_tags(tx, records)
