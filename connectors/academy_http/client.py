"""Requests of the contract and their answers as JSON objects."""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

from lms_bridge.domain.errors import NotUnderstood
from lms_bridge.http import Http, Response

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status and the members of its JSON object (none where it has no body)."""

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


class Client:
    """The platform at one address, asked with one token. Errors: those of ``Http.request``."""

    def __init__(self, http: Http, address: str, token: str) -> None:
        self._http = http
        self._base = address.rstrip("/")
        self._token = token

    def get(self, path: str, query: Query = (), *, returns: Container[int] = ()) -> Reply:
        address = f"{self._base}{path}"
        if query:
            address = f"{address}?{urlencode(query)}"
        response = self._http.request(
            "GET", address, headers=self._headers(), repeatable=True, returns=returns
        )
        return _reply(response)

    def post_batch(
        self, path: str, items: Sequence[Mapping[str, object]], *, returns: Container[int] = ()
    ) -> Reply:
        """A batch may be repeated: putting is idempotent (docs/academy-api.md, "Writing")."""
        headers = {
            **self._headers(),
            "Content-Type": "application/json",
            # Never derived from the content: a record that changes to and fro would find its old
            # answer, and not be stored.
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
        return _reply(response)

    def close(self) -> None:
        self._http.close()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}


def _reply(response: Response) -> Reply:
    """An error status needs no JSON; a success does, whatever else it claims to be."""
    is_json = response.content_type == "application/json" or response.content_type.endswith("+json")
    try:
        data = orjson.loads(response.body) if is_json else None
    except orjson.JSONDecodeError:
        data = None
    if isinstance(data, dict):
        return Reply(response.status, data)
    if response.status >= 400:
        return Reply(response.status, {})
    raise NotUnderstood(
        "not-json",
        "The answer is not a JSON object.",
        "Check that the address is that of the Academy API, not of a page for people.",
    )
