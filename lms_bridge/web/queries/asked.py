"""Which offerings of the public catalogue are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from lms_bridge.feeds.entry import Giver
from lms_bridge.store.tables import offering, offering_tag
from lms_bridge.store.tags import Tag, tag_key
from lms_bridge.web.queries.catalogue import holds_word


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader asks for; an empty text asks for everything."""

    region: str = ""
    centre: str = ""
    modality: str = ""
    level: str = ""
    topic: str = ""
    language: str = ""
    text: str = ""
    code: str = ""


def narrowed(query: Select[Any], centres: Mapping[str, Giver], asked: Asked) -> Select[Any]:
    """The query for those offerings alone that are asked for."""
    if asked.region:
        codes = [code for code, each in centres.items() if each.region == asked.region]
        query = query.where(offering.c.centre.in_(codes))
    for column, wanted in (
        (offering.c.centre, asked.centre),
        (offering.c.modality, asked.modality),
        (offering.c.level, asked.level),
        (offering.c.code, asked.code),
    ):
        if wanted:
            query = query.where(column == wanted)
    if asked.topic:
        query = query.where(tagged(Tag.TOPIC, asked.topic))
    if asked.language:
        query = query.where(
            or_(tagged(Tag.LANGUAGE, asked.language), tagged(Tag.LANGUAGE, asked.language, "-"))
        )
    for word in asked.text.split()[:8]:
        query = query.where(holds_word(word))
    return query


def tagged(kind: Tag, value: str, then: str = "") -> ColumnElement[bool]:
    """Whether an offering has a tag; with ``then``, one that goes on after the value and this."""
    key = tag_key(value)
    is_it = (
        offering_tag.c.value.startswith(key + then, autoescape=True)
        if then
        else offering_tag.c.value == key
    )
    has = select(offering_tag.c.offering_id).where(offering_tag.c.kind == kind, is_it)
    return offering.c.id.in_(has)
