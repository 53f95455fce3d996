"""Page skeletons: pages that are rendered once per language, then only filled in.

Filling in a skeleton takes a tenth of the time of rendering its template. Every launch shows such
pages, and they save 14 to 25 % of it. The catalogue's page is one for whoever is not signed in, and
would take 2.3 times as long without (docs/performance.md).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping

from flask import current_app
from flask_babel import force_locale
from markupsafe import Markup, escape

from lms_bridge.web.languages import language

_EXTENSION = "lms_bridge.skeletons"
_GAP = "\ue000{}\ue001"  # private-use characters of Unicode: no template has them
_GAPS = re.compile("\ue000([a-z_]+)\ue001")
Skeleton = list[str]
"""Pieces of HTML, and between each two the name of the text that belongs there."""


def filled(template: str, texts: Mapping[str, str], **choices: Hashable) -> str:
    """A page in the reader's language.

    Args:
        texts: values that differ from reader to reader. The template may only show them, or test
            whether they are empty. They are escaped here, as Jinja would. Markup is only shown:
            whether it is empty makes no other page.
        choices: values of which there are few; the template may use them freely.
    """
    present = tuple(name for name, text in texts.items() if text or isinstance(text, Markup))
    key = (template, language(), present, tuple(choices.items()))
    skeletons: dict[Hashable, Skeleton] = current_app.extensions.setdefault(_EXTENSION, {})
    pieces = skeletons.get(key)
    if pieces is None:
        pieces = skeletons[key] = _skeleton(template, present, choices)
    page = pieces.copy()
    page[1::2] = [escape(texts[name]) for name in pieces[1::2]]
    return "".join(page)


def _skeleton(template: str, present: tuple[str, ...], choices: Mapping[str, Hashable]) -> Skeleton:
    gaps = {name: _GAP.format(name) for name in present}
    with force_locale(language()):
        html = current_app.jinja_env.get_template(template).render({**gaps, **choices})
    return _GAPS.split(html)
