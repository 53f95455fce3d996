"""Facts that the bridge's server and its views exchange through WSGI's ``environ``. Under another
server a client never seems to leave, and the web framework's own limits hold."""

from __future__ import annotations

from flask import request

CLIENT_LEFT, MOST_BYTES = "lms_bridge.client_left", "lms_bridge.most_bytes"
SENDER = "lms_bridge.sender"
LET_OTHERS_BEGIN = "lms_bridge.let_others_begin"


def client_left() -> bool:
    """Whether the client of this request went away, so that long work for it may stop."""
    left = request.environ.get(CLIENT_LEFT)
    return left is not None and bool(left())


def allow_body(most: int, sender: str = "") -> None:
    """Lets the body of this request have so many bytes: the server receives no larger one.
    ``sender`` is who it comes from, as far as that is known; who sends has a share."""
    request.max_content_length = request.environ[MOST_BYTES] = most
    request.environ[SENDER] = sender


def await_body() -> None:
    """Has a large body received now, and not while this request holds something."""
    request.environ["wsgi.input"].read(0)


def let_others_begin() -> None:
    """Says that most of this request's work is done outside Python, by the database. On SQLite a
    short request begins only after the one before it."""
    let = request.environ.get(LET_OTHERS_BEGIN)
    if let is not None:
        let()
