"""The reader's language, on pages for everybody.

The first that is known counts: that of the launch, the link (``?lang=``), the cookie that such a
link left, the account, the browser. Texts in the code are English, and ``translations/`` has
the other languages. Pages that are English alone are so as a whole: no page mixes languages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import quote, urlencode

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal
from flask import Flask, Response, current_app, g, request
from flask_babel import Babel, force_locale, get_locale, gettext, ngettext
from markupsafe import Markup, escape

from lms_bridge.web import sentences
from lms_bridge.web.sentences import PartKind

_EXTENSION = "lms_bridge_languages"
LANGUAGES = ("en", "ar", "es", "fr", "ru", "zh")
"""The six official languages of the United Nations, which the Academy publishes in."""
LONGEST = 35
"""Longer language tags are ignored (RFC 5646, section 4.4.1)."""

LONGEST_HEADER = 1_000
"""Characters of ``Accept-Language``: a longer one costs time and says nothing."""


def add_to(app: Flask, account_language: Callable[[], str] = str) -> None:
    """``account_language`` says which language whoever is signed in has chosen, or nothing."""
    app.extensions[_EXTENSION] = account_language
    Babel(app, default_translation_directories=str(sentences.FOLDER), locale_selector=language)
    app.jinja_env.globals.update(
        _=marked,
        space=space,
        reader_language=language,
        reader_direction=direction,
        languages_here=languages_here,
        address_here=address_here,
    )
    app.after_request(_keep_choice)
    app.jinja_env.filters.update(translated=translated, said=said)


ENGLISH = frozenset({"api", "api_docs", "demo"})
"""Blueprints whose pages are English alone."""
NAMES = {
    "ar": "العربية",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ru": "Русский",
    "zh": "中文",
}
"""Our languages in their own words."""
COOKIE, COOKIE_SECONDS = "lms_bridge_language", 31_536_000


def language() -> str:
    """The best of our languages for the reader of this response. A page asks some hundred times."""
    found: str | None = g.get("language")
    if found is None:
        found = g.language = _language()
    return found


def _language() -> str:
    launch = known(g.get("reader_language", ""))
    if launch or request.blueprint in ENGLISH:
        return launch or "en"
    return next(filter(None, map(known, wanted_languages())), "en")


def wanted_languages() -> list[str]:
    """The languages in which the reader wants texts, the best first; not only ours. They are looked
    up once for a request: a long page asks some hundred times."""
    if "wanted_languages" not in g:
        g.wanted_languages = _wanted_languages()
    found: list[str] = g.wanted_languages
    return found


def _wanted_languages() -> list[str]:
    own: Callable[[], str] = current_app.extensions[_EXTENSION]
    chosen = [request.args.get("lang", ""), request.cookies.get(COOKIE, ""), own()]
    is_short = len(request.headers.get("Accept-Language", "")) <= LONGEST_HEADER
    accepted = request.accept_languages.values() if is_short else ()
    tags = [*chosen, *accepted]
    return [tag for tag in tags if tag and tag != "*" and len(tag) <= LONGEST]


def languages_here() -> Mapping[str, str]:
    """{code: name} of each language that this page has."""
    is_english = request.blueprint in ENGLISH and "reader_language" not in g
    return {} if is_english or request.method != "GET" else NAMES


def address_here() -> str:
    """The address of this page, up to another value of ``lang``."""
    values = {name: text for name, text in request.args.items() if name != "lang"}
    address = f"{quote(request.script_root + request.path)}?"
    return f"{address}{urlencode(values)}&" if values else address


def _keep_choice(response: Response) -> Response:
    """Keeps the language of a link for the reader's next pages."""
    code = known(request.args.get("lang", ""))
    if request.blueprint in ENGLISH or request.endpoint in (None, "static"):
        return response
    if response.mimetype == "text/html":
        response.vary.update(["Accept-Language", "Cookie"])
        if code:
            response.set_cookie(
                COOKIE, code, max_age=COOKIE_SECONDS, secure=request.is_secure, samesite="Lax"
            )
    return response


def use_readers_language() -> None:
    """Shows this page in the reader's language, although others of its blueprint are English."""
    set_language(next(filter(None, map(known, wanted_languages())), "en"))


def set_language(locale: str) -> None:
    """Sets the reader's language to that of the launch, if we have it (``fr-CA``, ``zh_CN``)."""
    g.reader_language = locale
    g.pop("language", None)


_PARTS = re.compile("[-_.@]")


@lru_cache(256)
def known(locale: str) -> str:
    """Our language of a locale's name; "" where we do not have it."""
    if len(locale) > LONGEST:
        return ""
    # The first part alone: Moodle and Canvas have variants of their own (fr_wp, en-GB-x-ukhe).
    plain = _PARTS.split(locale)[0]
    try:
        found = Locale.parse(plain).language if plain else ""
    except (ValueError, UnknownLocaleError):
        return ""
    return found if found in LANGUAGES else ""


def direction() -> str:
    """``rtl`` where the reader's language is written from right to left."""
    locale = get_locale()
    return "rtl" if locale is not None and locale.text_direction == "rtl" else "ltr"


def counted(one: str, many: str, number: int, **values: object) -> str:
    """A text about so many things in the reader's language, with its form of the plural. The number
    is ``%(number)s`` in it."""
    shown = format_decimal(number, locale=language())
    return str(ngettext(one, many, number, number=shown, **values))


def is_translated(*texts: str) -> bool:
    """Whether the reader gets all these texts of the code in their language as a whole."""
    return language() == "en" or all(_is_whole(_parts(text)) for text in texts if text)


def _is_whole(parts: sentences.Parts) -> bool:
    return bool(parts) and all(each.kind is not PartKind.ENGLISH for each in parts)


def _parts(text: str) -> sentences.Parts:
    """A text of the code in the reader's language; () where it stays English."""
    return () if language() == "en" else sentences.parts(text, language())


@lru_cache(16_384)
def _in(locale: str, text: str) -> str:
    with force_locale(locale):
        return str(gettext(text))


def word(text: str) -> str:
    """A word of the reference data in the reader's language. A page of the catalogue shows some
    hundred of them, so they are looked up once."""
    return _in(language(), text) if text else ""


def marked(text: str, **values: object) -> Markup:
    """What ``_`` gives in a template. A page of fifty rows asks some four hundred times, and each
    question of gettext would look up the application, the request and the catalogue anew."""
    found = Markup(_in(language(), text))  # noqa: S704 (our own texts; values are escaped)
    return found % values if values or "%" in found else found


_ISOLATED = "\N{FIRST STRONG ISOLATE}%s\N{POP DIRECTIONAL ISOLATE}"


def space() -> str:
    """What stands between two sentences, and after a colon."""
    return sentences.joint(" ", language())


def translated(text: str, otherwise: str = "") -> str:
    """A sentence of the code in the reader's language, as plain text. One that has no translation
    there is shown in English, or ``otherwise`` is shown in its place."""
    if otherwise and text and not is_translated(text):
        return word(otherwise)
    return (
        "".join(
            each.text if each.kind is PartKind.TEXT else _ISOLATED % each.text
            for each in _parts(text)
        )
        or text
    )


_HTML = {
    PartKind.TEXT: "%s",
    PartKind.VALUE: "<bdi>%s</bdi>",
    PartKind.ENGLISH: '<span lang="en" dir="ltr">%s</span>',
}


def said(text: str) -> Markup:
    """A sentence of the code in the reader's language, as HTML. What has no translation there is
    shown in English and marked as English."""
    found = _parts(text)
    if not found and text and language() != "en":
        found = (sentences.Part(text, PartKind.ENGLISH),)
    html = "".join(_HTML[each.kind] % escape(each.text) for each in found)
    return Markup(html) if found else escape(text)  # noqa: S704 (each part is escaped)
