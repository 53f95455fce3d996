"""Short forms and cookies, read in one go: for what every launch sends."""

from __future__ import annotations

from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

MOST_FIELDS = 100
_KIND = "application/x-www-form-urlencoded"
_READ = "lms_bridge.form"


def sent_form() -> dict[str, str]:
    """The fields of the form that was sent; of several with one name the first counts. Whoever asks
    for it does not ask Flask for the form: what was sent can be read once.

    Raises:
        RequestEntityTooLarge: it is larger than MAX_CONTENT_LENGTH, or has too many fields.
    """
    sent = request.environ
    read: dict[str, str] | None = sent.get(_READ)
    if read is None:
        read = sent[_READ] = _form()
    return read


def _form() -> dict[str, str]:
    if not request.environ.get("CONTENT_TYPE", "").lower().startswith(_KIND):
        return request.form.to_dict()
    try:
        pairs = parse_qsl(
            _body().decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise RequestEntityTooLarge from None
    return dict(reversed(pairs))


def _body() -> bytes:
    """As Flask reads it, with fewer steps."""
    length, most = request.content_length, request.max_content_length
    if length is None:
        return request.get_data()
    if most is not None and length > most:
        raise RequestEntityTooLarge
    body: bytes = request.environ["wsgi.input"].read(length)
    if len(body) < length:
        raise ClientDisconnected
    return body


def sent_cookies() -> dict[str, str]:
    """The cookies as they were sent: ours need no unquoting. Of several with one name the first
    counts (RFC 6265, section 5.4: the one with the longest path)."""
    pairs = (each.partition("=") for each in request.environ.get("HTTP_COOKIE", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in reversed([*pairs])}
