"""Facts that the bridge's server and its views exchange through WSGI's ``environ``. Under another
server a client never seems to leave, and the web framework's own limits hold."""

from __future__ import annotations

from mmap import ACCESS_READ, mmap

from flask import request

CLIENT_LEFT, MOST_BYTES = "lms_bridge.client_left", "lms_bridge.most_bytes"
SENDER, BODY_FILE = "lms_bridge.sender", "lms_bridge.body_file"
WAIT_APART, IS_AGAIN = "lms_bridge.wait_apart", "lms_bridge.is_again"
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


def wait_apart(sender: str) -> None:
    """Has this request carried out from its beginning, by a thread that no other request waits for,
    once all of its body is here. ``sender`` is as in ``allow_body``, where nobody was named."""
    request.environ.setdefault(SENDER, sender)
    wait = request.environ.get(WAIT_APART)
    if wait is not None:
        wait()


def is_again() -> bool:
    """Whether this request is carried out from its beginning for another time."""
    return IS_AGAIN in request.environ


def body_of_request() -> bytes | mmap:
    """The whole body. A large one stays in its file, so that many at once need no memory."""
    file = request.environ.get(BODY_FILE)
    if file is None:
        return request.get_data(cache=True)
    return mmap(file.fileno(), 0, access=ACCESS_READ)


def let_others_begin() -> None:
    """Says that most of this request's work is done outside Python, by the database. On SQLite a
    short request begins only after the one before it."""
    let = request.environ.get(LET_OTHERS_BEGIN)
    if let is not None:
        let()
