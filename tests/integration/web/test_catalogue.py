"""The catalogue's page: its counts are those of its lists, and it is as new as the database."""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from lms_bridge.catalogue import index as catalogue_index
from lms_bridge.catalogue.index import FILTERS, CatalogueIndex, CatalogueQuestion
from lms_bridge.domain.availability import TAKES_REGISTRATIONS, Availability, availability
from lms_bridge.domain.desired_state import offering_document
from lms_bridge.domain.model import ACADEMY, Centre, Kind, Level, Modality, Offering, OfferingStatus
from lms_bridge.domain.search_words import words_of
from lms_bridge.reference import reference
from lms_bridge.store import centres, offerings, target_links
from lms_bridge.store.catalogue_changes import NOTHING_YET
from lms_bridge.store.database import Database
from lms_bridge.store.tables import link
from tests.integration.web.filling import NOW, publish, publish_all

SOON = timedelta(days=7)
REGIONS = list(reference().regions)
TITLES = ("Spectrum Réseaux", "Redes de nueva generación", "频谱管理", "Управление сетями")


def sample(number: int) -> Offering:
    starts = NOW + timedelta(days=number * 7 % 90 - 30, hours=1)
    return replace(
        Offering(f"S-{number:03}", f"C{number % 9}", f"K{number // 3}", TITLES[number % 4]),
        modality=list(Modality)[number % 3] if number % 7 else None,
        level=list(Level)[number % 2],
        starts_at=starts if number % 8 else None,
        ends_at=starts + timedelta(days=12) if number % 8 else None,
        price=Decimal(number % 5),
        languages=(("en", "pt-BR"), ("fr",), ())[number % 3],
        topics=(("Cybersecurity",), ("Spectrum management", "Other"))[number % 2],
        description=f"<p>edition {number % 6}</p>",
        status=OfferingStatus.DELIVERED if number % 11 == 0 else OfferingStatus.PUBLISHED,
    )


def fill(database: Database, many: int = 120) -> dict[int, Offering]:
    with database.writing() as tx:
        for number in range(9):
            name, region = f"Sample Nairobi {number}", REGIONS[number % 5]
            centres.add(tx, Centre(f"C{number}", name, region, "files", sample=True), b"")
        records = [sample(number) for number in range(many)]
        of = dict(zip(offerings.add_offerings(tx, records), records, strict=True))
        publish_all(tx, of)
    return of


def values(record: Offering) -> dict[str, set[str]]:
    """The values that an offering has for each filter, worked out the slow way."""
    state = availability(record, NOW, SOON)
    states = {str(state), "all"}
    states |= {"current"} if state is not Availability.OVER else set()
    states |= {""} if state in TAKES_REGISTRATIONS else set()
    return {
        "region": {REGIONS[int(record.centre[1:]) % 5]},
        "centre": {record.centre},
        "topic": {each.casefold() for each in record.topics},
        "modality": {str(record.modality)} if record.modality else set(),
        "level": {str(record.level)},
        "language": {each.partition("-")[0] for each in record.languages},
        "price": {"paid" if record.price else "free"},
        "availability": states,
    }


def fits(record: Offering, question: CatalogueQuestion, *, but: str = "") -> bool:
    mine, chosen = values(record), {"availability": "", **question.chosen}
    words = words_of(
        [
            record.title,
            record.description.strip("</p>"),
            f"Sample Nairobi {record.centre[1:]}",
            *record.topics,
        ]
    )
    asked = question.text.split()
    return (
        all(value in mine[name] for name, value in chosen.items() if name != but)
        and all(each in words for each in asked[:-1])
        and (not asked or any(each.startswith(asked[-1]) for each in words))
        and (question.starts_from is None or not record.starts_at or record.starts_at >= NOW)
    )


QUESTIONS = (
    CatalogueQuestion(),
    CatalogueQuestion(chosen={"availability": "all"}),
    CatalogueQuestion("redes", {"availability": "current", "level": "introductory"}),
    CatalogueQuestion("edition 3", {"availability": "all", "price": "paid", "region": REGIONS[1]}),
    CatalogueQuestion("nairobi spec", {"language": "en", "topic": "cybersecurity"}),
    CatalogueQuestion("", {"centre": "C3", "availability": "all", "modality": "blended"}),
    CatalogueQuestion("", {"availability": "current", "language": "pt"}, NOW),
    CatalogueQuestion("none of them", {"availability": "all"}),
)


def counted(of: Mapping[int, Offering], question: CatalogueQuestion) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {name: {} for name in FILTERS}
    for record in of.values():
        for name in FILTERS:
            for value in values(record)[name] if fits(record, question, but=name) else ():
                counts[name][value] = counts[name].get(value, 0) + 1
    return counts


def check(index: CatalogueIndex, database: Database, of: Mapping[int, Offering]) -> None:
    for question in QUESTIONS:
        with database.reading() as tx, index.current(tx, NOW, SOON):
            found = index.search(tx, question, skip=0, most=1000)
        expected = {id_ for id_, record in of.items() if fits(record, question)}
        assert {index.numbers[place] for place in found.places} == expected, question
        assert found.total == len(found.places) == len(expected)
        assert found.counts == counted(of, question), question


def test_counts_and_lists_agree_with_going_through_all(database: Database) -> None:
    of, index = fill(database), CatalogueIndex()
    check(index, database, of)
    with database.reading() as tx:
        everything = CatalogueQuestion(chosen={"availability": "all"})
        whole = index.search(tx, everything, skip=0, most=1000).places
        parts = [index.search(tx, everything, skip=n, most=20).places for n in range(0, 140, 20)]
        assert [place for part in parts for place in part] == whole
        first = index.search(tx, CatalogueQuestion("edition"), skip=0, most=5).places
    starts = [
        of[index.numbers[place]].starts_at or datetime.max.replace(tzinfo=UTC) for place in first
    ]
    assert starts == sorted(starts)


def test_an_index_that_runs_follows_every_change(database: Database) -> None:
    of, index = fill(database), CatalogueIndex()
    check(index, database, of)
    numbers = list(of)
    with database.trying() as tx:  # which is undone
        offerings.change_offerings(tx, {numbers[5]: replace(of[numbers[5]], title="Undone")})
        target_links.not_there(tx, ACADEMY, Kind.OFFERING, [numbers[6]], ended=True)
    check(index, database, of)
    moved = replace(of[numbers[1]], title="Redes redes", starts_at=NOW + timedelta(days=40))
    gone = replace(of[numbers[2]], status=OfferingStatus.CANCELLED)
    new = sample(121)
    with database.writing() as tx:
        offerings.change_offerings(tx, {numbers[1]: moved, numbers[2]: gone})
        (added,) = offerings.add_offerings(tx, [new])
        publish(tx, added, new, offering_document(new))
        target_links.not_there(tx, ACADEMY, Kind.OFFERING, [numbers[3]], ended=True)
        home = centres.find(tx, "C4")
        assert home is not None
        centres.change(tx, replace(home, name="Sample Lomé"))
    of = {**of, numbers[1]: moved, numbers[2]: gone, added: new}
    del of[numbers[3]]
    with database.reading() as tx, index.current(tx, NOW, SOON):
        lome = index.search(tx, CatalogueQuestion("lome", {"availability": "all"}), skip=0, most=99)
    assert {of[index.numbers[place]].centre for place in lome.places} == {"C4"}
    with database.writing() as tx:
        centres.change(tx, replace(home, name="Sample Nairobi 4"))
    check(index, database, of)
    later = NOW + timedelta(days=365)
    with database.reading() as tx, index.current(tx, later, SOON):  # time alone
        counts = index.search(tx, CatalogueQuestion(), skip=0, most=0).counts["availability"]
    states = [availability(each, later, SOON) for each in of.values()]
    assert counts["over"] == states.count(Availability.OVER)


def test_what_others_commit_late_is_seen(database: Database) -> None:
    """A transaction that began before the last reading may end after it."""
    of, index = fill(database, 20), CatalogueIndex()
    numbers = list(of)
    first = replace(of[numbers[0]], title="Late change")
    second = replace(of[numbers[1]], title="Other late change")
    if database.embedded:  # one writer at a time
        with database.writing() as tx:
            offerings.change_offerings(tx, {numbers[0]: first})
            check(index, database, of)
    else:
        with database.writing() as tx:
            offerings.change_offerings(tx, {numbers[0]: first})
            with database.writing() as other:
                offerings.change_offerings(other, {numbers[1]: second})
            check(index, database, {**of, numbers[1]: second})
        of[numbers[1]] = second
    check(index, database, {**of, numbers[0]: first})


def look(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.text


def test_a_page_shows_a_change_at_once(either: FlaskClient, database: Database) -> None:
    query = "/catalogue?availability=all&text=spectrum+management+5"
    assert "EUR-5" in look(either, query)
    with database.writing() as tx:
        number, record = offerings.offerings_by_code(tx, ["EUR-5"])["EUR-5"]
        renamed = replace(record, title="Something else")
        offerings.change_offerings(tx, {number: renamed})
        mine = (link.c.record_id == number, link.c.system == ACADEMY)
        tx.execute(update(link).where(*mine).values(held_document=offering_document(renamed)))
    assert 'href="/catalogue/EUR-5"' not in look(either, query)
    assert "Something else" in look(either, "/catalogue?text=something")
    with database.writing() as tx:
        target_links.not_there(tx, ACADEMY, Kind.OFFERING, [number], ended=True)
    assert "Something else" not in look(either, "/catalogue?availability=all&text=something")


def test_each_reader_of_the_kept_page_gets_their_own_menu_words_and_addresses(
    client: FlaskClient, stranger: FlaskClient
) -> None:
    own = look(client, "/catalogue?text=spectrum")
    others = [look(stranger, f"/catalogue?text={text}") for text in ("spectrum", "%22%3Cb%3E")]
    assert "Sign out" in own
    assert all("Sign out" not in html for html in others)
    assert 'href="/catalogue?text=spectrum&amp;lang=fr"' in others[0]
    assert 'href="/catalogue?text=%22%3Cb%3E&amp;lang=fr"' in others[1]
    assert 'value="&#34;&lt;b&gt;"' in others[1]


def test_every_course_has_a_state_and_a_next_step(client: FlaskClient) -> None:
    html = look(client, "/catalogue?availability=all")
    assert html.count('<p class="next">') == html.count("<li>\n    <h2") == 20
    assert 'href="/catalogue/EUR-OVER#other-dates"' in look(client, "/catalogue?availability=over")


def test_the_page_of_a_course_lists_its_other_dates(
    client: FlaskClient, sqlite_database: Any
) -> None:
    assert "no other dates" in look(client, "/catalogue/EUR-1")
    with sqlite_database.writing() as tx:
        record = replace(
            Offering("EUR-1B", "EUR", "E1", "Spectrum again"), starts_at=NOW + timedelta(days=300)
        )
        publish(tx, offerings.add_offerings(tx, [record])[0], record, offering_document(record))
    html = look(client, "/catalogue/EUR-1")
    assert 'href="/catalogue/EUR-1B"' in html
    assert "no other dates" not in html


def test_the_calendar_shows_a_month_and_the_map_all_regions(client: FlaskClient) -> None:
    html = look(client, "/catalogue?view=calendar&month=2040-03&language=ar")
    assert "<h2>March 2040</h2>" in html
    assert html.count('href="/catalogue/AFR-1"') == 11  # 2 to 12 March in Nairobi
    assert 'href="/catalogue?view=calendar&amp;month=2040-04&amp;language=ar"' in html
    for odd in ("0000-01", "9999-12", "x", "2040-13"):
        look(client, f"/catalogue?view=calendar&month={odd}")
    empty = look(client, "/catalogue?view=calendar&month=2039-11&language=ar")
    later = '<a href="/catalogue?view=calendar&amp;month=2040-03&amp;language=ar">'
    assert f"{later}The next month with courses: March 2040</a>" in empty
    assert "The next month" not in look(client, "/catalogue?view=calendar&month=2190-01")
    html = look(client, "/catalogue?view=map&availability=current")
    assert ">Asia-Pacific</text>" in html
    assert html.count("<rect ") == len(REGIONS)
    assert 'href="/catalogue?availability=current&amp;region=africa" aria-label="Africa: 1"' in html
    assert ">Kenya</a>: Courses: 1, centres: 1" in html


@pytest.mark.parametrize(
    "query", ["text=" + "a" * 9_000, "text=%22*()+OR+NEAR(", "starts_from=9999-12-31", "view=x"]
)
def test_no_question_is_an_error(either: FlaskClient, query: str) -> None:
    for view in ("list", "calendar", "map"):
        look(either, f"/catalogue?{query}&view={view}")


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
def test_the_first_view_has_at_most_sixty_kilobytes(stranger: FlaskClient, language: str) -> None:
    headers = {"Accept-Language": language}
    html = stranger.get("/catalogue?availability=all", headers=headers).get_data()
    with stranger.get("/static/style.css") as style:
        sizes = [len(gzip.compress(each)) for each in (html, style.get_data())]
    assert sum(sizes) < 60_000
    assert not re.findall(rb"<script|<img", html)


def test_nobody_waits_while_the_whole_catalogue_is_read(
    client: FlaskClient, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited would hold a thread, and launches would wait for it."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> tuple[int, dict[int, int]]:
        begun.set()
        assert go_on.wait(60)
        return NOTHING_YET, {}

    monkeypatch.setattr(catalogue_index, "changes_since", slow)
    with ThreadPoolExecutor(1) as reader:
        first = reader.submit(lambda: client.get("/catalogue").status_code)
        assert begun.wait(60)
        second = client.application.test_client().get(
            "/catalogue", headers={"Accept-Language": "fr"}
        )
        go_on.set()
        assert first.result(60) == 200
    assert (second.status_code, second.headers["Retry-After"]) == (503, "5")
    assert "Le catalogue est en cours de lecture." in second.text
