"""The full-text index of offerings: FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

Both hold words that ``domain/search_words.py`` made, so both find the same. The index is written in
the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    String,
    any_,
    bindparam,
    cast,
    column,
    false,
    func,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.types import TypeEngine

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import Offering
from lms_bridge.domain.search_words import SearchWord, search_words, without_markup, words_of
from lms_bridge.domain.translations import TRANSLATED, usable
from lms_bridge.store.network_tables import centre_profile
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.tables import centre, offering

_fts5 = table("offering_text", column("rowid", BigInteger), column("offering_text", String))
_tsvector = table("offering_text", column("offering_id", BigInteger), column("words", TSVECTOR))


def is_search_index(table_name: str | None) -> bool:
    """Whether a table is the index, or one that SQLite keeps it in: Alembic cannot compare them."""
    return (table_name or "").startswith("offering_text")


_LONG_TEXTS = [name for name in TRANSLATED if name != "title"]


def index_texts(tx: Connection, records: Mapping[int, Offering]) -> None:
    """Keeps the words of these offerings. What has the same words as before is not written."""
    rows = [_row(id_, record) for id_, record in records.items()]
    if tx.dialect.name == "sqlite":
        _index_fts5(tx, rows)
    elif rows:
        vectors = [_vector(*words) for _, *words in rows]
        tx.execute(_UPSERT, {"ids": [row[0] for row in rows], "vectors": vectors})


def _row(id_: int, record: Offering) -> tuple[int, list[str], list[str]]:
    """(number, words of the title, other words)"""
    translations = usable(record.translations).values()
    titles = words_of([record.title, *(each.get("title", "") for each in translations)])
    texts = [record.code, record.course_code, *record.topics, *record.organisers]
    long = [getattr(record, name) for name in _LONG_TEXTS]
    long += [each.get(name, "") for each in translations for name in _LONG_TEXTS]
    texts += map(without_markup, long)
    return id_, list(titles), [word for word in words_of(texts) if word not in titles]


def _index_fts5(tx: Connection, rows: Sequence[tuple[int, list[str], list[str]]]) -> None:
    for chunk in chunks(rows):
        new = {id_: (" ".join(title), " ".join(body)) for id_, title, body in chunk}
        there = text(f"SELECT rowid, title, body FROM offering_text WHERE rowid IN ({_marks(new)})")  # noqa: S608 (numbers)
        old = {row[0]: (row[1], row[2]) for row in tx.execute(there)}
        changed = {id_: words for id_, words in new.items() if old.get(id_) != words}
        if gone := old.keys() & changed.keys():
            tx.execute(text(f"DELETE FROM offering_text WHERE rowid IN ({_marks(gone)})"))  # noqa: S608 (numbers)
        if changed:
            values = [{"id": id_, "title": a, "body": b} for id_, (a, b) in changed.items()]
            tx.execute(_INSERT, values)


def _marks(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


_INSERT = text("INSERT INTO offering_text (rowid, title, body) VALUES (:id, :title, :body)")
_UPSERT = text(
    "INSERT INTO offering_text (offering_id, words) SELECT id, CAST(vector AS tsvector) "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:vectors AS text[])) AS new (id, vector) "
    "ON CONFLICT (offering_id) DO UPDATE SET words = excluded.words "
    "WHERE offering_text.words IS DISTINCT FROM excluded.words"
)


def _vector(title: Iterable[str], body: Iterable[str]) -> str:
    """The words, those of the title with a mark. A weight would do the same, but PostgreSQL's index
    knows no weights: it would read each row. A word has neither marks, quotes nor backslashes."""
    return " ".join([*(f"'={word}'" for word in title), *(f"'{word}'" for word in body)])


def match_text(word: SearchWord, dialect: str, part: str = "") -> str:
    """The word as the database's search wants it, in the part ``title`` or ``body`` alone, or in
    either. A word of the title is not in the body again."""
    if dialect == "sqlite":
        return f'{f"{part} : " if part else ""}"{word.text}"{" *" if word.begins else ""}'
    longer = ":*" if word.begins else ""
    texts = {"title": f"'={word.text}'{longer}", "body": f"'{word.text}'{longer}"}
    return texts[part] if part else " | ".join(texts.values())


def has_match(match: BindParameter[str], dialect: str) -> ColumnElement[bool]:
    """Whether an offering's texts have a word; the parameter is a ``match_text``."""
    return offering.c.id.in_(_matching(match, dialect))


def _matching(match: BindParameter[str], dialect: str) -> Any:
    if dialect == "sqlite":
        return select(_fts5.c.rowid).where(_fts5.c.offering_text.op("MATCH")(match))
    return select(_tsvector.c.offering_id).where(_tsvector.c.words.op("@@")(cast(match, TSQUERY)))


def holds_word(
    match: BindParameter[str], named: BindParameter[Any], dialect: str
) -> ColumnElement[bool]:
    """Whether an offering has a word, in its texts or in the name of its centre. The parameters
    get the two values of ``word_values``."""
    if dialect == "sqlite":
        listed: Any = func.json_each(named).table_valued("value")
        in_name: ColumnElement[bool] = offering.c.centre.in_(select(listed.c.value))
    else:
        in_name = offering.c.centre == any_(named)
    return or_(has_match(match, dialect), in_name)


def named_type(dialect: str) -> TypeEngine[Any]:
    """The type of the second parameter of ``holds_word``."""
    return String() if dialect == "sqlite" else ARRAY(String)


def word_values(
    word: SearchWord, names: Mapping[str, frozenset[str]], dialect: str
) -> tuple[str, Any]:
    """The values for ``holds_word``; ``names`` are the ``centre_words``."""
    codes = [code for code, words in names.items() if has_word(words, word)]
    named = orjson.dumps(codes).decode() if dialect == "sqlite" else codes
    return match_text(word, dialect), named


def holds_words(tx: Connection, question: str) -> list[ColumnElement[bool]]:
    """The conditions that an offering has each word of a question. One of signs alone finds
    nothing."""
    words, dialect = search_words(question), tx.dialect.name
    if question.strip() and not words:
        return [false()]
    names = centre_words(tx) if words else {}
    conditions = []
    for word in words:
        match, named = word_values(word, names, dialect)
        conditions.append(
            holds_word(
                bindparam(None, match, type_=String),
                bindparam(None, named, type_=named_type(dialect)),
                dialect,
            )
        )
    return conditions


def _joined_ids(part: str, dialect: str) -> Any:
    """Numbers of the offerings whose part has a word, as one text: a row of each would take several
    times as long."""
    found = _matching(bindparam(part, type_=String), dialect).subquery()
    (number,) = found.c
    joined: Any = func.group_concat if dialect == "sqlite" else func.string_agg
    return select(joined(cast(number, String), ",", type_=String)).scalar_subquery()


_IDS: Mapping[str, Prepared] = {
    dialect: Prepared(select(_joined_ids("title", dialect), _joined_ids("body", dialect)))
    for dialect in ("sqlite", "postgresql")
}


def matching_ids(tx: Connection, word: SearchWord) -> tuple[list[int], list[int]]:
    """Numbers of the offerings with a word in their titles, and of those with it elsewhere."""
    dialect = tx.dialect.name
    values = {part: match_text(word, dialect, part) for part in ("title", "body")}
    title, body = _IDS[dialect].first(tx, values) or ("", "")
    return _numbers(title), _numbers(body)


def _numbers(text: str | None) -> list[int]:
    return list(map(int, text.split(","))) if text else []


def centre_words(tx: Connection) -> dict[str, frozenset[str]]:
    """{centre: the words of its names in all languages}"""
    names: dict[str, list[str]] = {}
    for row in tx.execute(select(centre.c.code, centre.c.name)):
        names.setdefault(row.code, []).append(row.name)
    for row in tx.execute(select(centre_profile.c.centre, centre_profile.c.names)):
        names.setdefault(row.centre, []).extend(map(str, row.names.values()))
    return {code: frozenset(words_of(texts)) for code, texts in names.items()}


def has_word(words: Iterable[str], word: SearchWord) -> bool:
    if word.begins:
        return any(each.startswith(word.text) for each in words)
    return word.text in words
