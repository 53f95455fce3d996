"""The pages that learners meet, in the reader's language."""

from __future__ import annotations

import ast
import re
from functools import cache
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

import lms_bridge
from lms_bridge.web.languages import FOLDER, LANGUAGES, known

OTHERS = [each for each in LANGUAGES if each != "en"]
CODE = Path(lms_bridge.__file__).parent


@cache
def catalog(language: str) -> Catalog:
    with (FOLDER / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


@cache
def in_templates() -> set[str]:
    """The sentences that the templates mark for translation."""
    pages = (path.read_text("utf-8") for path in CODE.rglob("*.html"))
    return {text for page in pages for text in re.findall(r'_\("([^"]+)"', page)}


@cache
def in_code() -> set[str]:
    modules = (ast.parse(path.read_text("utf-8")) for path in CODE.rglob("*.py"))
    return {
        node.value
        for module in modules
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_marked_is_translated_and_nothing_is_left_over(language: str) -> None:
    texts = {str(each.id) for each in catalog(language) if each.id and each.string}
    assert in_templates() - texts == set()
    assert texts - in_templates() - in_code() == set()
    assert texts == {str(each.id) for each in catalog("fr") if each.id}


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_served_is_what_was_written(language: str) -> None:
    with (FOLDER / language / "LC_MESSAGES" / "messages.mo").open("rb") as file:
        served = GNUTranslations(file)
    for each in catalog(language):
        if each.id:
            assert served.gettext(str(each.id)) == each.string, "make translations"


@pytest.mark.parametrize(
    ("asked", "language", "direction", "words"),
    [
        ("fr-CA,en;q=0.5", "fr", "ltr", "Allez dans votre cours et cliquez sur le lien."),
        ("ar", "ar", "rtl", "اذهب إلى دورتك"),
        ("zh-Hant-HK, de", "zh", "ltr", "请前往您的课程"),
        ("sw", "en", "ltr", "Go to your course and click the link there."),
        ("", "en", "ltr", "Go to your course"),
        ("\x1b;;q=x,,", "en", "ltr", "Go to your course"),
    ],
)
def test_a_refusal_in_the_language_of_the_browser(
    empty: FlaskClient, asked: str, language: str, direction: str, words: str
) -> None:
    page = empty.get("/lti/tool/launch", headers={"Accept-Language": asked})
    assert page.status_code == 405
    assert f'<html lang="{language}" dir="{direction}">' in page.text
    assert words in page.text
    assert "<code>LTI/launch-address-alone</code>" in page.text


@pytest.mark.parametrize(
    ("locale", "language"),
    [("fr", "fr"), ("pt-BR", ""), ("zh_CN", "zh"), ("es-419", "es"), ("x" * 300, ""), ("", "")],
)
def test_languages_of_launches(locale: str, language: str) -> None:
    assert known(locale) == language
