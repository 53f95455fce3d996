"""Pushing schedules of sample centres, and what is looked at afterwards."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from lms_bridge.domain.access import DataScope
from lms_bridge.store.tables import offering
from tests.integration.api.world import World

CSV, ICS, JSON = "text/csv", "text/calendar", "application/json"


def row(number: int | str, **fields: Any) -> dict[str, Any]:
    """A sample row that breaks no rule."""
    return {
        "id": f"S-{number}",
        "title": f"Sample course {number}",
        "modality": "blended",
        "level": "introductory",
        "starts_at": "2060-03-01",
        "ends_at": "2060-03-12",
        "location": "Nairobi",
        **fields,
    }


class Centre:
    """A centre that pushes with a token of its own."""

    def __init__(self, world: World, code: str = "ONE") -> None:
        self.world, self.code = world, code
        self.token = world.token(reach=DataScope(code))

    def push(
        self,
        body: Any,
        *,
        method: str = "PATCH",
        media: str = JSON,
        query: str = "",
        headers: dict[str, str] | None = None,
        code: str = "",
    ) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.world.ask(
            method,
            f"/centres/{code or self.code}/schedule{query}",
            self.token,
            data=data,
            content_type=media,
            headers=headers,
        )

    def put(self, body: Any, **more: Any) -> TestResponse:
        return self.push(body, method="PUT", **more)

    def get(self, form: str = "json", **more: Any) -> TestResponse:
        return self.world.get(f"/centres/{self.code}/schedule?format={form}", self.token, **more)

    def titles(self) -> dict[str, bool]:
        """{title: whether it is listed} of all offerings that there are of the centre."""
        with self.world.bridge.database.reading() as tx:
            query = select(offering.c.title, offering.c.listed)
            return {
                each.title: each.listed
                for each in tx.execute(query.where(offering.c.centre == self.code))
            }


def outcomes(answer: TestResponse) -> list[tuple[int, str]]:
    body = answer.get_json()
    assert answer.status_code == 200, body
    return [(each["row"], each["outcome"]) for each in body["rows"]]


def problems(answer: TestResponse) -> dict[int, tuple[str, str]]:
    """{row: (field, code) of its first problem}"""
    return {
        each["row"]: (each["problems"][0]["field"], each["problems"][0]["code"])
        for each in answer.get_json()["rows"]
        if each["problems"]
    }
