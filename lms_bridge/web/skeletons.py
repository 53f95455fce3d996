"""Pages whose sentences are the same for all readers of one language: rendered once, then filled.

For what every launch shows: rendering such a page costs ten times what filling it in does.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping

from flask import Flask, current_app
from flask_babel import force_locale
from markupsafe import escape

from lms_bridge.web.languages import language

_KEPT = "lms_bridge.skeletons"
_GAP = "\ue000{}\ue001"  # of the characters that Unicode leaves to private use
_GAPS = re.compile("\ue000([a-z_]+)\ue001")
Skeleton = list[str]
"""Pieces of HTML, and between each two the name of the text that belongs there."""


def filled(template: str, texts: Mapping[str, str], **choices: Hashable) -> str:
    """A page in the reader's language.

    Args:
        texts: what differs from one reader to the next. The template may show them and ask whether
            they are there, and nothing else. They are escaped here, as Jinja would.
        choices: what has few values; the template may do with them as it likes.
    """
    there = tuple(name for name, text in texts.items() if text)
    key = (template, language(), there, tuple(choices.items()))
    kept: dict[Hashable, Skeleton] = current_app.extensions.setdefault(_KEPT, {})
    pieces = kept.get(key)
    if pieces is None:
        pieces = kept[key] = _skeleton(current_app, template, there, choices)
    page = pieces.copy()
    page[1::2] = [escape(texts[name]) for name in pieces[1::2]]
    return "".join(page)


def _skeleton(
    app: Flask, template: str, there: tuple[str, ...], choices: Mapping[str, Hashable]
) -> Skeleton:
    gaps = {name: _GAP.format(name) for name in there}
    with force_locale(language()):
        return _GAPS.split(app.jinja_env.get_template(template).render({**gaps, **choices}))
