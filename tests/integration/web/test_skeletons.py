"""Pages that are rendered once for each language, and filled in for each reader."""

from __future__ import annotations

import pytest
from flask import Flask
from jinja2 import DictLoader

from lms_bridge.web import languages
from lms_bridge.web.skeletons import filled

PAGE = (
    '<html lang="{{ reader_language() }}">'
    "{% if name %}<b>{{ name }}</b>{% endif %}"
    '<a href="{{ back }}">{{ _("Open the course") }}</a>{{ role }}'
)


@pytest.fixture
def app() -> Flask:
    made = Flask(__name__)
    languages.add_to(made)
    made.jinja_env.loader = DictLoader({"page.html": PAGE})
    return made


def page(app: Flask, name: str, *, reads: str = "en", role: str = "guest") -> str:
    with app.test_request_context(headers={"Accept-Language": reads}):
        return filled("page.html", {"name": name, "back": "/?a=1&b=2"}, role=role)


def test_each_reader_gets_their_own_texts_and_language(app: Flask) -> None:
    first = page(app, "Ada")
    assert first == ('<html lang="en"><b>Ada</b><a href="/?a=1&amp;b=2">Open the course</a>guest')
    assert page(app, "Grace") == first.replace("Ada", "Grace")
    assert page(app, "Grace", role="host") == page(app, "Grace").replace("guest", "host")
    in_french = page(app, "Ada", reads="fr")
    assert in_french.startswith('<html lang="fr"><b>Ada</b>')
    assert "Open the course" not in in_french
    assert page(app, "Ada") == first


def test_missing_parts_are_left_out(app: Flask) -> None:
    assert "<b>" in page(app, "Ada")
    assert "<b>" not in page(app, "")
    assert "<b>Ada</b>" in page(app, "Ada")


@pytest.mark.parametrize("name", ["<script>", '"', "&amp;", "\ue000back\ue001", "{{ role }}"])
def test_texts_are_never_read_as_templates(app: Flask, name: str) -> None:
    shown = page(app, name)
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<b>{escaped.replace(chr(34), '&#34;')}</b>" in shown
    assert shown.count("/?a=1") == 1
