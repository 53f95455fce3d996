"""Answers: JSON bodies and problem documents (RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

JSON, PROBLEM, HTML = "application/json", "application/problem+json", "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``length`` is what it claims to be long, where that is not the truth."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = field(default=())
    length: int | None = None

    @classmethod
    def json(cls, data: Any, status: int = 200) -> Reply:
        return cls(status, orjson.dumps(data))


class Problem(Exception):  # the word of RFC 9457
    """What is wrong with a request; ``pointer`` names the member at fault."""

    def __init__(self, status: int, title: str, pointer: str = "", retry_after: str = "") -> None:
        super().__init__(title)
        self.status, self.title = status, title
        self.pointer, self.retry_after = pointer, retry_after

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"title": self.title, "status": self.status}
        if self.pointer:
            document["errors"] = [{"pointer": self.pointer}]
        return document

    def reply(self) -> Reply:
        headers = (("Retry-After", self.retry_after),) if self.retry_after else ()
        return Reply(self.status, orjson.dumps(self.document()), PROBLEM, headers)
