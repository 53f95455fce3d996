"""Short forms, read in one go."""

from __future__ import annotations

import pytest
from flask import Flask, request
from werkzeug.exceptions import RequestEntityTooLarge

from lms_bridge.web.forms import MOST_FIELDS, sent_form, sent_pairs

KIND = "application/x-www-form-urlencoded"
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 10_000


def test_fields_in_their_order_and_the_first_of_one_name() -> None:
    body = "state=a%20b&empty=&state=second&name=%C3%89va+x"
    with app.test_request_context(method="POST", data=body, content_type=f"{KIND}; charset=utf-8"):
        assert sent_pairs() == [
            ("state", "a b"),
            ("empty", ""),
            ("state", "second"),
            ("name", "Éva x"),
        ]
        assert sent_form()["state"] == "a b"
        assert request.form["state"] == "a b"  # who asks Flask finds the same


def test_a_form_in_parts() -> None:
    parts = {"state": "a", "file": (__file__, "name.txt")}
    with app.test_request_context(method="POST", data=parts):
        assert sent_form() == {"state": "a"}


def test_content_of_another_kind_has_no_fields() -> None:
    with app.test_request_context(method="POST", data="state=a", content_type="text/plain"):
        assert sent_form() == {}


@pytest.mark.parametrize("body", ["a=" + "x" * 20_000, "&".join(["a=1"] * (MOST_FIELDS + 1))])
def test_too_much(body: str) -> None:
    context = app.test_request_context(method="POST", data=body, content_type=KIND)
    with context, pytest.raises(RequestEntityTooLarge):
        sent_form()


def test_broken_characters_do_not_break_it() -> None:
    with app.test_request_context(method="POST", data=b"a=\xff%ff&b=1", content_type=KIND):
        assert sent_form()["b"] == "1"
