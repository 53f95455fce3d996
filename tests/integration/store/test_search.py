"""Full-text search: any word finds its offering, and the index is as old as the offering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from lms_bridge.domain.model import Centre, Offering
from lms_bridge.domain.network import CentreProfile
from lms_bridge.domain.search_words import folded, search_words, words_of
from lms_bridge.store import centres, offerings
from lms_bridge.store.database import Database
from lms_bridge.store.search import holds_words, matching_ids
from lms_bridge.store.tables import offering

SAMPLE = replace(
    Offering("S-1", "ONE", "TEL-7", "Telecomunicações: gestão do espectro"),
    description="<p>Para <b>quem</b> planeja&nbsp;redes</p>",
    topics=("Emergency telecommunications",),
    coordinators=("Ann Other",),
    translations={
        "ar": {"title": "إدارة الطيف الترددي"},
        "zh": {"title": "无线电频谱管理", "description": "网络规划入门"},
        "ru": {"title": "Управление спектром", "audience": "Для учёных"},
    },
)
FINDS = (
    *("telecomunicacoes", "TELECOMUNICAÇÕES", "gestao espec", "planeja", "redes para"),
    *("emergency", "tel-7", "s-1", "ادارة", "الطيف", "طيف", "频谱管理", "频谱", "谱", "理", "网络"),
    *("управление", "УЧЕНЫХ", "спек", "nairobi", "频谱 telecomunicacoes", "centro"),
)
FINDS_NOT = (
    "elecom",
    "espec gestao",
    "ann",
    "谱频",
    "nbsp",
    "strong",
    "p",
    "%",
    '"',
    "*",
    "()",
    "-",
)
BAD = ('"', "'", "NEAR(", "a OR b", "title:", "*", "\\", "a'b:*", "^x", "-", "𝔘", "a" * 10_000)


def found(tx: Connection, question: str) -> list[str]:
    where = holds_words(tx, question)
    return list(tx.scalars(select(offering.c.code).where(*where).order_by(offering.c.id)))


def fill(database: Database) -> None:
    with database.writing() as tx:
        for code in ("ONE", "TWO"):
            centres.add(tx, Centre(code, "Sample École", "africa", "files", sample=True), b"")
        centres.keep_profile(tx, "ONE", CentreProfile(names={"es": "Centro Nairobi"}))
        offerings.add_offerings(tx, [SAMPLE, Offering("S-2", "TWO", "", "Öffentliche Netze")])


def test_an_offering_is_found_without_regard_to_accents_and_case(database: Database) -> None:
    fill(database)
    with database.reading() as tx:
        for question in FINDS:
            assert found(tx, question) == ["S-1"], question
        for question in FINDS_NOT:
            assert found(tx, question) == [], question
        assert found(tx, "") == found(tx, "ecole") == ["S-1", "S-2"]
        for question in BAD:  # no question is an error
            found(tx, question)


def test_words_of_the_title_are_told_from_others(database: Database) -> None:
    fill(database)
    with database.reading() as tx:
        (title,), (text,) = search_words("espectro"), search_words("planeja")
        assert [len(ids) for ids in matching_ids(tx, title)] == [1, 0]
        assert [len(ids) for ids in matching_ids(tx, text)] == [0, 1]


def test_the_index_is_as_old_as_the_offering(database: Database) -> None:
    fill(database)
    with database.reading() as tx:
        (id_,) = offerings.offerings_by_code(tx, ["S-1"])["S-1"][:1]
    with database.trying() as tx:  # which is undone
        offerings.change_offerings(tx, {id_: replace(SAMPLE, title="Renamed", translations={})})
        assert found(tx, "renamed") == ["S-1"]
        assert found(tx, "espectro") == []
    with database.reading() as tx:
        assert found(tx, "renamed") == []
        assert found(tx, "espectro") == ["S-1"]
    with database.writing() as tx:
        offerings.change_offerings(tx, {id_: replace(SAMPLE, title="Renamed", seats=3)})
    with database.reading() as tx:
        assert found(tx, "renamed") == ["S-1"]
        assert found(tx, "espectro") == []
        assert found(tx, "Управление") == ["S-1"]


ALPHABETS = st.characters(codec="utf-8", exclude_characters="\x00")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(ALPHABETS, min_size=1, max_size=60))
def test_any_word_of_a_title_finds_its_offering(
    title: str, database: Database, new_code: Callable[[], str]
) -> None:
    code = new_code()
    with database.trying() as tx:
        offerings.add_offerings(tx, [Offering(code, "ONE", "", title)])
        for word in (*title.split(), *words_of([title]), title.upper(), folded(title)):
            if search_words(word):
                assert code in found(tx, word), word


@pytest.fixture
def new_code() -> Callable[[], str]:
    numbers = iter(range(10**9))
    return lambda: f"P{next(numbers)}"
