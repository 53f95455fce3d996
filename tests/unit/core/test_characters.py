"""Invisible characters: gone where they deceive, kept where a script needs them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from lms_bridge.lti import json_parts, optional_parts
from lms_bridge.schemas.characters import visible
from lms_bridge.schemas.fields import Line, RichText, WebAddress

INVISIBLE = (
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # direction, forced
    "\x00\x07\x1b\x7f\x80\x9b\x9f"
    "\u200b\u200c\u200d\u2060\u2061\u2064\u206a\ufeff\xad\u034f\u180e\u115f\u3164\uffa0"
    "\u200e\u200f\u061c\ufe00\ufe0f\ufff9\U000e0001\U000e0041\U000e0100\U0001d173"
)


@pytest.mark.parametrize("text", ["ad{}min", "{}admin", "admin{}", "Ольга{} П", "{0}{0}a{0}"])
def test_an_invisible_character_is_taken_out_of_a_text_that_does_not_need_it(text: str) -> None:
    for mark in INVISIBLE:
        for shown in (visible(text.format(mark)), Line().deserialize(text.format(mark))):
            assert shown == text.format(""), ascii(mark)


@pytest.mark.parametrize(
    "text",
    [
        "می‌خواهم",  # Persian: a non-joiner inside the word
        "آموزش‌های شبکه",
        "क्‍ष",  # Devanagari: a half form
        "ശ്രീ ന്‍",  # Malayalam: a chillu as it was written before Unicode 5.1
        "র‍্যাম",  # Bengali
        "ශ්‍රී ලංකා",  # Sinhala
        "👩‍💻 online",
        "👩🏽‍💻",
        "🏳️‍🌈",
        "❤️ networks",
        "1️⃣ first",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
        "葛\U000e0100城",  # an ideograph in a form of its own
        "ភាសា\u200bខ្មែរ",  # Khmer has no spaces between words
        "עברית\u200f (ITU)",
        "العربية\u200e ABC",
        "ᠮᠣᠩᠭᠣᠯ\u180eᠠ",
        "Ünïcödé, 中文, 日本語, 한국어",
    ],
)
def test_what_a_script_needs_stays(text: str) -> None:
    assert visible(text) == text


def test_direction_is_never_forced_even_in_text_from_right_to_left() -> None:
    assert visible("دورة \u202eABC\u202c \u2067x\u2069") == "دورة ABC x"
    assert visible("علي\u200c\u200c") == "علي"


def test_a_rich_text_holds_none_either() -> None:
    assert RichText().deserialize("<p>pay\u202elap\u200b</p>") == "<p>paylap</p>"


@given(st.text())
def test_no_text_forces_a_direction(text: str) -> None:
    assert not set(visible(text)) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("entity", ["&#8238;", "&#x202E;", "&#x202e", "&ZeroWidthSpace;", "&lrm;"])
def test_an_entity_of_an_invisible_character_is_taken_out(entity: str) -> None:
    for field in (Line(), RichText()):
        assert field.deserialize(f"pay{entity}-lap") == "pay-lap"
    assert RichText().deserialize(f"<p>pay{entity}-lap</p>") == "<p>pay-lap</p>"


def test_an_entity_that_a_script_needs_becomes_its_character() -> None:
    assert Line().deserialize("می&zwnj;خواهم &amp; 5 < 6") == "می‌خواهم & 5 < 6"


@pytest.mark.parametrize(
    "address",
    [
        "https://bank.example@evil.example/",
        "https://user:word@lms.example.org/",
        "HTTPS:user@lms.example.org",
        "https:\\\\user@lms.example.org",
        "//user@lms.example.org/",
        "ht\ntps://user@lms.example.org/",
    ],
)
def test_no_linked_address_holds_a_users_name(address: str) -> None:
    text = RichText().deserialize(f'<p><a href="{address}">here</a></p>')
    assert "href" not in text
    assert "lms.example.org" not in text
    if "\n" not in address:
        with pytest.raises(ValidationError):
            WebAddress().deserialize(address)


@pytest.mark.parametrize(
    "address", ["https://lms.example.org/@user?a=b@c#d@e", "mailto:ann@example.org"]
)
def test_other_addresses_with_an_at_sign_stay_in_a_text(address: str) -> None:
    assert f'href="{address}"' in RichText().deserialize(f'<a href="{address}">here</a>')


def test_the_address_of_a_page_may_have_an_at_sign() -> None:
    address = "https://lms.example.org/@user?a=b@c#d@e"
    assert WebAddress().deserialize(address) == address
    with pytest.raises(ValidationError):
        WebAddress().deserialize("mailto:ann@example.org")


def test_a_very_long_text_of_marks_takes_no_time() -> None:
    assert visible("\u200e" * 100_000) == ""


def test_what_other_systems_show_in_messages_holds_none_either() -> None:
    given = {"name": "pay\u202elap", "title": "می‌خواهم"}
    assert optional_parts.shown_text(given, "name") == "paylap"
    assert json_parts.text(given, "name", "bad") == "paylap"
    assert json_parts.text(given, "title", "bad") == "می‌خواهم"
