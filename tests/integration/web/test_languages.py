"""The pages that learners meet, in the reader's language."""

from __future__ import annotations

import ast
import re
from functools import cache
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

import lms_bridge
from lms_bridge.audit import Subject
from lms_bridge.reference import reference
from lms_bridge.store.flow_states import READ_A_CENTRE
from lms_bridge.web.filters import AVAILABILITIES, ENROLMENT_STATUSES, OFFERING_STATUSES
from lms_bridge.web.languages import LANGUAGES, NAMES, known
from lms_bridge.web.navigation import GROUPS
from lms_bridge.web.sentences import FOLDER
from tests.integration.accounts.browser import send
from tests.sentences import template

OTHERS = [each for each in LANGUAGES if each != "en"]
CODE = Path(lms_bridge.__file__).parent


@cache
def catalog(language: str) -> Catalog:
    with (FOLDER / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def all_ids(language: str) -> set[str]:
    """The English texts that have a translation, of a plural both forms."""
    translated = (each for each in catalog(language) if each.id and each.string)
    return {text for each in translated for text in ids(each)}


def ids(message: Message) -> tuple[str, ...]:
    return message.id if isinstance(message.id, tuple) else (str(message.id),)


@cache
def in_templates() -> set[str]:
    """The sentences that the templates mark for translation."""
    pages = (path.read_text("utf-8") for path in CODE.rglob("*.html"))
    return {text for page in pages for text in re.findall(r'_\("([^"]+)"', page)}


@cache
def in_code() -> set[str]:
    """The texts of the code, and those with values in them by their templates."""
    paths = (*CODE.rglob("*.py"), *(CODE.parent / "connectors").rglob("*.py"))
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    texts = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts | {template(node) for node in nodes if isinstance(node, ast.JoinedStr)}


@cache
def in_reference() -> set[str]:
    """The words of the reference data that the pages show."""
    kinds = ("regions", "modalities", "levels", "registration_types")
    areas = {
        area for each in reference().cycles.values() if not each.ends_on for area in each.areas
    }
    return areas | {text for kind in kinds for text in getattr(reference(), kind).values()}


@cache
def in_navigation() -> set[str]:
    entries = {entry.title for group in GROUPS for entry in group.entries}
    return entries | {group.title for group in GROUPS}


@pytest.mark.parametrize("language", OTHERS)
def test_every_marked_text_is_translated_and_no_translation_is_left_over(language: str) -> None:
    texts = all_ids(language)
    shown = in_templates() | in_reference() | set(OFFERING_STATUSES.values())
    shown |= set(AVAILABILITIES.values()) | set(ENROLMENT_STATUSES.values()) | in_navigation()
    shown |= {word for each in Subject for word in (each.flow, each.replace("_", " "))}
    shown |= {*READ_A_CENTRE, *TRIGGERS}
    assert shown - texts == set()
    assert texts - shown - in_code() == set()
    assert texts == all_ids("fr")


TRIGGERS = ("change", "import", "page", "push", "scheduler", "scores")
"""Triggers of runs that do not read a centre."""
ENGLISH_ROOMS = ("api", "devtools")
"""Folders whose pages are English alone."""
NAMES_IN_PAGES = frozenset({"LMS bridge", "lms_bridge", "LMS", "UTC", "ms", "CSV", "LTI", "OK"})


def literal_texts(page: str) -> set[str]:
    """Texts of a template that nobody can translate, because they are not marked."""
    page = re.sub(r"{#.*?#}|<code>[^<]*</code>|<!doctype[^>]*>", "", page, flags=re.DOTALL)
    page = re.sub(r"<script.*?</script>|{% set \w+ %}.*?{% endset %}", "", page, flags=re.DOTALL)
    page = re.sub(r"{{.*?}}|{%.*?%}", "{}", page, flags=re.DOTALL)
    marked = re.sub(r"""<[^>]*lang="en"[^>]*>[^<]*""", "", page)
    lines = re.sub(r"<[^>]*>|{}", "\n", marked).splitlines()
    labels = re.findall(r"(?:aria-label|placeholder|title|alt|data-label)=\"([^\"]*)\"", page)
    words = {each.strip(" ·:,.()—") for each in (*lines, *labels)}
    texts = {each for each in words if re.search("[A-Za-z]{2,}", each) and '="' not in each}
    return texts - NAMES_IN_PAGES


def test_no_template_has_text_that_cannot_be_translated() -> None:
    found = {
        str(path.relative_to(CODE)): texts
        for path in CODE.rglob("*.html")
        if not str(path.relative_to(CODE)).startswith(ENGLISH_ROOMS)
        and (texts := literal_texts(path.read_text("utf-8")))
    }
    assert found == {}


OWN_MARK = re.compile(
    r"[}]}(?:</\w+>)*: |[}]}(?:</\w+>)*, (?={{|<)|{{ ', ' if "
    r"|(?:(?<!loop.index \| number )[}]}(?:</\w+>)*|endif %})\. (?={{|{%|<)"
    r"|[}]}(?:</\w+>)*\.(?=<|{%)"
    r"|{{ [^{}]*(?:[.:?!]\"(?:, [^{}]*)?\)|(?:message|remedy|reason) \| said) }}(?:</strong>)?"
    r"(?:{% if [^%]*%})? (?={{|{%|<)"
)


def test_no_template_joins_words_with_the_marks_of_english() -> None:
    """French has a space before a colon, Arabic and Chinese have another comma. Chinese has a full
    stop of its own, and no space after it."""
    found = {
        str(path.relative_to(CODE)): marks
        for path in CODE.rglob("*.html")
        if not str(path.relative_to(CODE)).startswith(ENGLISH_ROOMS)
        and (marks := OWN_MARK.findall(path.read_text("utf-8")))
    }
    assert found == {}


def test_chinese_has_no_space_between_a_problem_and_what_helps(client: FlaskClient) -> None:
    pages = {
        language: send(client, f"/operations/where?lang={language}", {"learner": "nobody"}).text
        for language in ("en", "zh")
    }
    problems = {
        language: re.sub(
            "<[^>]*>", "", page.split('id="problem"')[1].split(">", 1)[1].split("</p>")[0]
        )
        for language, page in pages.items()
    }
    assert re.search(r"\. [A-Z]", problems["en"])
    assert re.search("。[^ ]", problems["zh"])
    assert "。 " not in problems["zh"]


@pytest.mark.parametrize("language", OTHERS)
def test_the_compiled_translations_are_up_to_date(language: str) -> None:
    with (FOLDER / language / "LC_MESSAGES" / "messages.mo").open("rb") as file:
        served = GNUTranslations(file)
    for each in catalog(language):
        if isinstance(each.id, tuple):
            one, many = each.id
            forms = {served.ngettext(one, many, number) for number in range(200)}
            assert forms == set(each.string or ()), "make translations"
        elif each.id:
            assert served.gettext(str(each.id)) == each.string, "make translations"


@pytest.mark.parametrize(
    ("requested", "language", "direction", "words"),
    [
        ("fr-CA,en;q=0.5", "fr", "ltr", "Allez dans votre cours et cliquez sur le lien."),
        ("ar", "ar", "rtl", "اذهبوا إلى دورتكم"),
        ("zh-Hant-HK, de", "zh", "ltr", "请前往您的课程"),
        ("sw", "en", "ltr", "Go to your course and click the link there."),
        ("", "en", "ltr", "Go to your course"),
        ("\x1b;;q=x,,", "en", "ltr", "Go to your course"),
    ],
)
def test_a_refusal_is_shown_in_the_language_of_the_browser(
    empty: FlaskClient, requested: str, language: str, direction: str, words: str
) -> None:
    page = empty.get("/lti/tool/launch", headers={"Accept-Language": requested})
    assert page.status_code == 405
    assert f'<html lang="{language}" dir="{direction}">' in page.text
    assert words in page.text
    assert "<code>LTI/launch-address-alone</code>" in page.text


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("fr", "fr"),
        ("pt-BR", ""),
        ("zh_CN", "zh"),
        ("es-419", "es"),
        ("en-GB-x-ukhe", "en"),
        ("fr_wp", "fr"),
        ("es_mx_kids", "es"),
        ("x" * 300, ""),
        ("", ""),
    ],
)
def test_the_locale_of_a_launch_chooses_the_language(locale: str, language: str) -> None:
    assert known(locale) == language


# ---- public pages in the reader's language ---------------------------------------------------

PUBLIC = (
    "/",
    "/training-centres",
    "/training-centres/ARB",
    "/catalogue",
    "/catalogue?view=map",
    "/catalogue?view=calendar&month=2040-03",
    "/catalogue/ARB-1",
    "/catalogue/EUR-OVER",
    "/catalogue/nothing",
    "/sign-in",
    "/runs",
)
_HIDDEN = re.compile(
    r"<(script|style|code|time|option|bdi)\b.*?</\1>|<h[12] dir=.*?</h[12]>", re.DOTALL
)
_FOREIGN = re.compile(r'<(\w+)[^>]* (?:lang="[^"]+"|dir="auto")[^>]*>.*?</\1>', re.DOTALL)
_WORD = re.compile(r"[A-Za-z]{4,}")


def english_words(page: str) -> set[str]:
    """Latin words of a page outside of what is marked as another language, or is a name."""
    body = page.partition("<body>")[2]
    body = _HIDDEN.sub(" ", body)
    body = _FOREIGN.sub(" ", body)
    body = re.sub(r'<span class="zone">[^<]*</span>', " ", body)  # names of time zones
    return set(_WORD.findall(re.sub(r"<[^>]*>", " ", body)))


@pytest.mark.parametrize("language", ["ar", "ru", "zh"])
@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_is_wholly_in_the_readers_language(
    stranger: FlaskClient, path: str, language: str
) -> None:
    page = stranger.get(path, headers={"Accept-Language": language}).text
    direction = "rtl" if language == "ar" else "ltr"
    assert f'<html lang="{language}" dir="{direction}">' in page
    assert english_words(page) <= {"bridge", "lms_bridge", "Sample", "Centre", "Kenya", "Nairobi"}


def test_a_link_chooses_the_language_and_the_next_pages_keep_it(stranger: FlaskClient) -> None:
    page = stranger.get("/catalogue?text=a&lang=fr", headers={"Accept-Language": "es"})
    assert '<html lang="fr"' in page.text
    assert "Accept-Language" in page.headers["Vary"]
    for code, name in NAMES.items():
        mine = f'<strong lang="{code}">{name}</strong>'
        other = f'hreflang="{code}" href="/catalogue?text=a&amp;lang={code}">{name}</a>'
        assert (mine if code == "fr" else other) in page.text
    kept = stranger.get("/catalogue", headers={"Accept-Language": "es"})
    assert '<html lang="fr"' in kept.text
    assert '<html lang="ru"' in stranger.get("/?lang=ru-RU").text
    assert '<html lang="ru"' in stranger.get("/?lang=xx").text
    assert '<html lang="ru"' in stranger.get("/?lang=" + "x" * 500).text


def test_a_page_without_translations_is_english_as_a_whole(client: FlaskClient) -> None:
    page = client.get("/api/docs?lang=ar")
    assert '<html lang="en" dir="ltr">' in page.text
    assert not re.search("[\u0600-\u06ff]", page.text.replace("مركز العينة", ""))


def test_what_the_engine_wrote_is_marked_as_english(client: FlaskClient) -> None:
    page = client.get("/quarantine?lang=ar").text
    assert '<html lang="ar" dir="rtl">' in page
    assert '<span lang="en" dir="ltr">' in page


def test_amounts_and_days_follow_the_language(stranger: FlaskClient) -> None:
    page = stranger.get("/catalogue/AFR-1", headers={"Accept-Language": "fr"}).text
    assert "Gratuit" in page or "USD" in page
    assert re.search(r"\d{1,2} (janv|févr|mars|avr|mai|juin|juil|août|sept|oct|nov|déc)", page)


def test_what_is_wrong_is_said_with_the_plural_of_the_language(client: FlaskClient) -> None:
    page = client.get("/operations?lang=ru").text
    (sentence,) = re.findall(r'<p class="note[^"]*" id="wrong">([^<]*)</p>', page)
    assert sentence.startswith("Есть неполадки: ")
    assert re.search(r"\b1 запись в карантине|\b[2-4] записи в карантине", sentence), sentence
