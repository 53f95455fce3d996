"""Short forms, read in one go: for what every launch sends."""

from __future__ import annotations

from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

MOST_FIELDS = 100
_KIND = "application/x-www-form-urlencoded"


def sent_pairs() -> list[tuple[str, str]]:
    """The fields of the form that was sent, in their order; other content has none.

    Raises:
        RequestEntityTooLarge: it is larger than MAX_CONTENT_LENGTH, or has too many fields.
    """
    if not request.environ.get("CONTENT_TYPE", "").lower().startswith(_KIND):
        return list(request.form.items(multi=True))
    try:
        return parse_qsl(
            request.get_data().decode(errors="replace"),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise RequestEntityTooLarge from None


def sent_form() -> dict[str, str]:
    """The same by name; of several with one name the first counts."""
    return dict(reversed(sent_pairs()))
