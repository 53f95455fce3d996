"""Short forms, read in one go."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from lms_bridge.web.forms import MOST_FIELDS, sent_cookies, sent_form

KIND = "application/x-www-form-urlencoded"
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 10_000


def test_the_first_of_one_name_counts() -> None:
    body = "state=a%20b&empty=&state=second&name=%C3%89va+x"
    with app.test_request_context(method="POST", data=body, content_type=f"{KIND}; charset=utf-8"):
        assert sent_form() == {"state": "a b", "empty": "", "name": "Éva x"}
        assert sent_form()["state"] == "a b"  # who asks again finds the same


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


def test_a_form_that_breaks_off() -> None:
    context = app.test_request_context(method="POST", data="state=a", content_type=KIND)
    context.request.environ["CONTENT_LENGTH"] = "9000"
    with context, pytest.raises(ClientDisconnected):
        sent_form()


def test_a_form_of_unknown_length() -> None:
    context = app.test_request_context(method="POST", data="state=a", content_type=KIND)
    context.request.environ.pop("CONTENT_LENGTH")
    context.request.environ["wsgi.input_terminated"] = True
    with context:
        assert sent_form() == {"state": "a"}


def test_cookies_as_they_were_sent() -> None:
    given = "a=1; lti-x_-=secret==;b= 2 ;a=3; alone"
    with app.test_request_context(headers={"Cookie": given}):
        assert sent_cookies() == {"a": "1", "lti-x_-": "secret==", "b": "2", "alone": ""}
    with app.test_request_context():
        assert sent_cookies() == {"": ""}
