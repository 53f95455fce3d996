"""Codes that outside data name: currencies, languages and countries, in one form each.

The lists are those of the Unicode CLDR, which Babel carries.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import takewhile

from babel import Locale
from babel.core import get_global

_OWN_NAMES = ("ar", "es", "fr", "pt", "ru", "zh")
"""Languages are also known by their names in these languages, beside English."""
_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
_NO_MONEY = {"XAG", "XAU", "XPD", "XPT", "XTS", "XXX"}
"""Codes of ISO 4217 for metals, for tests, and for no currency: nobody pays a course with these."""
_NO_COUNTRY = frozenset(
    ["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"]
)
"""Territories of the CLDR that ISO 3166-1 does not have, or has only reserved."""
_COUNTRIES = {"UK": "GB", "EL": "GR"}
"""Codes that the European Union writes, and ISO 3166-1 does not."""


class NoSuchCode(Exception):
    """The text goes on from the field's name."""


def may_be_shown(text: str) -> bool:
    """Whether a message may show the value: what is long may be anything, personal data too."""
    return len(text) <= 20 and "@" not in text


def refusal(text: str, what: str) -> str:
    """What a message says of a value of which ``what`` is true ("is no number"). It shows the value
    where that has a digit or no letter, and is neither long nor an address: a name in the wrong
    column stays private."""
    plain = text.strip()
    is_name = any(map(str.isalpha, plain)) and not any(map(str.isdigit, plain))
    if plain and not is_name and len(plain) <= 40 and "@" not in plain:
        return f'is "{plain}", which {what}'
    return what


def public_refusal(text: str, what: str) -> str:
    """The same for a value of which nothing is personal: a short name is shown, too."""
    plain = text.strip()
    return f'is "{plain}", which {what}' if plain and may_be_shown(plain) else refusal(text, what)


def currency(text: str) -> str:
    """The code of ISO 4217, in capitals.

    Raises:
        NoSuchCode: there is no such currency.
    """
    code = text.strip().upper()
    if code and code not in _currencies():
        raise NoSuchCode("is no code of ISO 4217 such as USD, EUR or KES")
    return code


@cache
def _currencies() -> frozenset[str]:
    """Those that are in use today: GHC and ZMK were replaced, and a price in them is a slip."""
    used = get_global("territory_currencies").values()
    return frozenset(code for each in used for code, _, end, _ in each if end is None) - _NO_MONEY


def country(text: str) -> str:
    """The two letters of ISO 3166-1, in capitals.

    Raises:
        NoSuchCode: there is no such country.
    """
    code = text.strip().upper()
    code = _COUNTRIES.get(code, code)
    known = len(code) == 2 and code.isalpha() and code in Locale("en").territories
    if code and (not known or code in _NO_COUNTRY):
        raise NoSuchCode("is no code of ISO 3166-1 such as KE or FR")
    return code


def language(text: str) -> str:
    """The language tag of BCP 47, such as ``en`` or ``pt-BR``, of a tag or of a language's name.

    Raises:
        NoSuchCode: there is no such language.
    """
    name = text.strip()
    if not name:
        return ""
    if _TAG.fullmatch(name):
        first, *rest = re.split("[-_]", name)
        if first.lower() in Locale("en").languages and all(map(_is_region, _regions(rest))):
            return "-".join([first.lower(), *map(_subtag, rest)])
    found = _names().get(name.casefold())
    if found is None:
        raise NoSuchCode("is no language tag such as en, fr or pt-BR")
    return found


def _regions(subtags: Sequence[str]) -> list[str]:
    """Those of two letters; behind one of a single letter anything may stand."""
    plain = takewhile(lambda each: len(each) > 1, subtags)
    return [each for each in plain if len(each) == 2 and each.isalpha()]


def _is_region(text: str) -> bool:
    return text.upper() in Locale("en").territories and text.upper() not in _NO_COUNTRY


def _subtag(text: str) -> str:
    """RFC 5646, section 2.1.1: a region has capitals, a script one, everything else none."""
    if len(text) == 2:
        return text.upper()
    return text.title() if len(text) == 4 and text.isalpha() else text.lower()


@cache
def _names() -> dict[str, str]:
    """{a language's name: its tag}: of English, and of some languages in their own words."""
    names = {}
    for locale in (*map(Locale, _OWN_NAMES), Locale("en")):
        for tag, name in locale.languages.items():
            if locale.language in ("en", tag):
                names[name.casefold()] = tag.replace("_", "-")
    return names
