"""Values of records in tables of changes, as a reader sees them."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from lms_bridge.web.filters import given, value


@pytest.mark.parametrize(
    ("of", "shown"),
    [
        ("2026-03-31T07:05:00Z", '<time datetime="2026-03-31T07:05:00Z">31 мар. 2026'),
        ("2026-03-31T10:05:00+03:00", '<time datetime="2026-03-31T07:05:00Z">31 мар. 2026'),
        ("2026-03-31T07:05:09Z", '<time datetime="2026-03-31T07:05:09Z">31 мар. 2026 г., 07:05:09'),
        ("2026-03-31T07:05:00.5Z", "2026-03-31T07:05:00.5Z"),
        ("2026-13-31T07:05:00Z", "2026-13-31T07:05:00Z"),
        (True, "да"),
        (["en", "fr"], "en, fr"),
        (None, "—"),
    ],
)
def test_a_changed_value_is_in_the_readers_words(
    empty: FlaskClient, of: object, shown: str
) -> None:
    with empty.application.test_request_context("/?lang=ru"):
        assert str(value(of)).startswith(shown)


@pytest.mark.parametrize(
    ("of", "field", "kind", "shown"),
    [
        ("blended", "modality", "offering", "Смешанное обучение"),
        ("advanced", "level", "offering", "Продвинутый"),
        ("application", "registration", "offering", "Заявка и отбор"),
        ("cancelled", "status", "offering", "Отменён"),
        ("cancelled", "status", "enrolment", "Место отменено"),
        ("active", "status", "membership", "активно"),
        (["en", "fr"], "languages", "offering", "English, Français"),
        (["de", "pt-BR", "tlh"], "languages", "offering", "Deutsch, Português, tlh"),
        ("strange", "modality", "offering", "strange"),
        ("blended", "title", "offering", "blended"),
    ],
)
def test_a_code_in_a_change_is_the_word_of_the_pages(
    empty: FlaskClient, of: object, field: str, kind: str, shown: str
) -> None:
    with empty.application.test_request_context("/?lang=ru"):
        assert str(value(of, field, kind)) == shown


@pytest.mark.parametrize(("language", "shown"), [("ar", "a، b"), ("fr", "a, b"), ("zh", "a，b")])
def test_a_list_has_the_comma_of_the_language(
    empty: FlaskClient, language: str, shown: str
) -> None:
    with empty.application.test_request_context(f"/?lang={language}"):
        assert value(["a", "b"]) == shown


def test_a_value_in_quarantine_is_as_it_was_given(empty: FlaskClient) -> None:
    with empty.application.test_request_context("/?lang=ru"):
        assert given("2026-13-31T07:05:00Z", "offering") == "2026-13-31T07:05:00Z"
        assert given("2026-03-31T07:05:00Z", "offering") == "2026-03-31T07:05:00Z"
