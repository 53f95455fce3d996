"""HTTP requests to the Academy platform. Its answers are JSON objects."""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

from lms_bridge.domain.errors import NotUnderstood
from lms_bridge.http import foreign_json
from lms_bridge.http.client import Http, Response

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AcademyHttpReply:
    """An answer: its status and the members of its JSON object. ``data`` is empty without one."""

    status: int
    data: Mapping[str, object]

    def items(self) -> list[object]:
        """The member ``items``.

        Raises:
            NotUnderstood: there is none.
        """
        items = self.data.get("items")
        if not isinstance(items, list):
            raise NotUnderstood("not-the-contract", 'The answer has no list "items".')
        return items


class AcademyHttpClient:
    """Sends requests to one address with one token. Errors are those of ``Http.request``."""

    def __init__(self, http: Http, address: str, token: str) -> None:
        self._http = http
        self._base = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def get(
        self, path: str, query: Query = (), *, returns: Container[int] = ()
    ) -> AcademyHttpReply:
        return reply_of(self.request(path, query, returns=returns))

    def request(self, path: str, query: Query = (), *, returns: Container[int] = ()) -> Response:
        """The answer as it came, with nothing checked."""
        address = f"{self._base}{path}"
        if query:
            address = f"{address}?{urlencode(query)}"
        return self._http.request(
            "GET", address, headers=self._headers, repeatable=True, returns=returns
        )

    def post_batch(
        self, path: str, items: Sequence[Mapping[str, object]], *, returns: Container[int] = ()
    ) -> AcademyHttpReply:
        """Sends a batch. It may be repeated, since writes are idempotent (docs/academy-api.md,
        "Writing")."""
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            # The key must not come from the content. A record that changes and changes back would
            # get its old answer, and would not be stored.
            "Idempotency-Key": uuid.uuid4().hex,
        }
        response = self._http.request(
            "POST",
            f"{self._base}{path}",
            headers=headers,
            body=orjson.dumps({"items": list(items)}),
            repeatable=True,
            returns=returns,
        )
        return reply_of(response)

    def close(self) -> None:
        self._http.close()


def is_json(response: Response) -> bool:
    kind = response.content_type
    return kind == "application/json" or kind.endswith("+json")


def reply_of(response: Response) -> AcademyHttpReply:
    """An error may come without JSON. A success may not, whatever its content type says."""
    try:
        data = foreign_json.loads(response.body) if is_json(response) else None
    except ValueError:
        data = None
    if isinstance(data, dict):
        return AcademyHttpReply(response.status, data)
    if response.status >= 400:
        return AcademyHttpReply(response.status, {})
    raise NotUnderstood(
        "not-json",
        "The answer is not a JSON object.",
        "Check that the address is that of the Academy API, not of a page for people.",
    )
