"""The reader's language, on the pages that learners meet: what the launch said, else the browser.

The words are those of the code, in English; ``translations/`` holds the others. What has no
translation is shown in English.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from flask import Flask, g, request
from flask_babel import Babel, get_locale, gettext

from lms_bridge.bootstrap import Bridge

FOLDER = Path(__file__).parent / "translations"
LANGUAGES = ("en", "ar", "es", "fr", "ru", "zh")
"""The six official languages of the United Nations, which the Academy publishes in."""
LONGEST = 35
"""No language tag that anybody needs is longer (RFC 5646, section 4.4.1)."""


def add_to(app: Flask, bridge: Bridge) -> None:
    del bridge
    Babel(app, default_translation_directories=str(FOLDER), locale_selector=language)
    app.jinja_env.globals.update(reader_language=language, reader_direction=direction)
    app.jinja_env.filters["translated"] = translated


def language() -> str:
    """The best of our languages for who reads this answer."""
    told = known(g.get("reader_language", ""))
    return told or next(filter(None, map(known, request.accept_languages.values())), "en")


def speak(locale: str) -> None:
    """The reader's language is that of the launch, if we have it (``fr``, ``fr-CA``, ``zh_CN``)."""
    g.reader_language = locale


@lru_cache(256)
def known(locale: str) -> str:
    """Our language of a locale's name; "" where we do not have it."""
    if len(locale) > LONGEST:
        return ""
    try:
        found = Locale.parse(locale.replace("-", "_")).language if locale else ""
    except (ValueError, UnknownLocaleError):
        return ""
    return found if found in LANGUAGES else ""


def direction() -> str:
    """``rtl`` where the reader's language is written from right to left."""
    locale = get_locale()
    return "rtl" if locale is not None and locale.text_direction == "rtl" else "ltr"


def translated(text: str) -> str:
    """A sentence of the code in the reader's language."""
    return str(gettext(text)) if text else ""
