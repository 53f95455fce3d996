"""Tables that a browser saves as files."""

from __future__ import annotations

from flask import Response


def table_file(octets: bytes, name: str) -> Response:
    """A CSV file of this name."""
    response = Response(octets, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
