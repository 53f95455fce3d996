"""Responses that are sent with less work. docs/performance.md has what each of them saves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class WholeResponse(Response):
    """The response class of the application. A body that is not streamed reaches the server as a
    list, so that it is sent together with the headers."""

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        pieces = super().get_app_iter(environ)
        if not self.is_sequence:
            return pieces
        body = list(pieces)
        self.close()
        return body


class CompleteResponse(WholeResponse):
    """For the pages of launches and the API's reads: body and headers are sent as they are.

    Werkzeug's checks of each header are skipped. So the body must be whole, and an address in
    ``Location`` must be encoded already.
    """

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        self.close()
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.data]
