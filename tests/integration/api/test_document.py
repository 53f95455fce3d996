"""The OpenAPI document, and the interface held to it with a fixed budget of made-up requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.checks import load_all_checks
from schemathesis.schemas import BaseSchema

from lms_bridge.api.problems import CODES, RULES
from lms_bridge.api.route import ROUTES, VERSION, Route
from lms_bridge.domain.model import EnrolmentStatus
from tests.integration.api.test_tenancy import things
from tests.integration.api.world import World, enrol, open_world

REQUESTS = 12
"""Made-up requests for each route; always the same ones."""


@pytest.fixture(scope="module")
def api(shared_sqlite_address: str) -> Iterator[World]:
    made = open_world(shared_sqlite_address)
    things(made, "ONE")
    enrol(made, "ONE-apply", "L2", EnrolmentStatus.APPLIED)
    yield made
    made.bridge.close()


@pytest.fixture(scope="module")
def token(api: World) -> str:
    return api.token(per_minute=1_000_000)


@pytest.fixture(scope="module")
def openapi(api: World) -> BaseSchema:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", api.client.application)


load_all_checks()
CHECKS = [
    schemathesis.checks.CHECKS.get_one(name)
    for name in (
        *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
        *("response_schema_conformance", "response_headers_conformance", "unsupported_method"),
    )
]
"""Not among them: that whatever differs from a schema is refused. Texts may come as numbers, and
dates in several forms: the schemas are forgiving in form and strict in meaning."""


def _address(entry: Route) -> str:
    return "/api" + VERSION + re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", entry.rule)


@pytest.mark.parametrize("entry", ROUTES.values(), ids=lambda entry: entry.endpoint)
def test_a_generated_request_gets_a_documented_response(
    entry: Route, openapi: BaseSchema, token: str
) -> None:
    """No server error, and no answer that the document does not tell of."""
    operation = openapi[_address(entry)][entry.method]
    headers = {"Authorization": f"Bearer {token}"}

    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(), st.booleans())
    def ask(case: Any, real: bool) -> None:
        for name, there in (("code", "ONE-open"), ("number", 1)):
            if real and name in case.path_parameters:
                case.path_parameters[name] = there  # else nearly all are of things not there
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    ask()


def test_the_document_is_openapi_3_1(api: World) -> None:
    made = api.get("/openapi.json").get_json()
    assert made["openapi"] == "3.1.0"
    for schema in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = {
        operation["operationId"]
        for methods in made["paths"].values()
        for method, operation in methods.items()
        if method != "parameters"
    }
    assert operations == {name.partition(".")[2] for name in ROUTES}
    for methods in made["paths"].values():
        for method, operation in methods.items():
            if method in ("post", "put"):
                for media in operation["requestBody"]["content"].values():
                    assert "example" in media or media["schema"] == {"type": "string"}
            if method != "parameters":
                assert operation["summary"]
                assert operation["responses"]["default"]


def test_examples_fit_their_schemas(api: World) -> None:
    made = api.get("/openapi.json").get_json()
    for methods in made["paths"].values():
        for operation in (methods[name] for name in ("post", "put") if name in methods):
            for media in operation["requestBody"]["content"].values():
                if "example" in media:
                    schema = {**made, **media["schema"]}
                    Draft202012Validator(schema).validate(media["example"])


def test_the_page_explains_every_route_and_every_code(api: World) -> None:
    response = api.client.get("/api/docs", headers={"Host": "elsewhere.example"})
    html = response.get_data(as_text=True)
    assert response.status_code == 200
    assert "elsewhere.example" not in html
    assert "<script" not in html
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    for code in (*CODES, *RULES):
        assert f'id="{code}"' in html
    for entry in ROUTES.values():
        name = entry.endpoint.partition(".")[2]
        assert f'id="{name}"' in html
    # what a problem names as its type is there to be read
    problem = api.get("/offerings/none").get_json()
    page, _, anchor = problem["type"].partition("#")
    assert page == "/api/docs"
    assert f'id="{anchor}"' in html
    assert json.dumps(problem)
