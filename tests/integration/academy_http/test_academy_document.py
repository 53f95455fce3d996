"""The document, the simulated platform and the connector agree: every exchange is validated."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from lms_bridge.connectors.academy_http import connector
from lms_bridge.devtools.academy.app import answer, serve
from lms_bridge.devtools.academy.state import SimulatedAcademy
from lms_bridge.devtools.wire import WireReply, WireRequest
from lms_bridge.domain.ports import SystemAccess
from lms_bridge.testing.samples import (
    CENTRE,
    learner_fields,
    offering,
    offering_request,
    removal_request,
    result_request,
)

DOCS = Path(__file__).parents[3] / "docs"
DOCUMENT = yaml.safe_load((DOCS / "academy-api.openapi.yaml").read_text(encoding="utf-8"))
NAME = "urn:academy"
REGISTRY: Registry[Any] = Registry().with_resource(NAME, DRAFT202012.create_resource(DOCUMENT))


def problems(value: object, schema: dict[str, Any]) -> list[str]:
    """What is wrong with a value by a schema of the document, references resolved within it."""
    pointer = schema.get("$ref")
    whole = {"$ref": f"{NAME}{pointer}"} if pointer else schema
    inlined = json.loads(json.dumps(whole).replace('"#/', f'"{NAME}#/'))
    errors = Draft202012Validator(inlined, registry=REGISTRY).iter_errors(value)
    return [f"{list(error.absolute_path)}: {error.message}" for error in errors]


def validate(value: object, schema: dict[str, Any]) -> None:
    assert problems(value, schema) == []


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def operation(method: str, path: str) -> dict[str, Any]:
    """The operation of the document that a request is an example of."""
    parts = path.split("/")
    for template, item in DOCUMENT["paths"].items():
        names = template.split("/")
        fits = len(names) == len(parts) and all(
            name == part or name.startswith("{") for name, part in zip(names, parts, strict=True)
        )
        if fits and method.lower() in item:
            return dict(item[method.lower()])
    raise AssertionError(f"{method} {path} is not in the document")


class Recorder:
    """Stands in front of the platform and validates what goes through it."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, academy: SimulatedAcademy, request: WireRequest) -> WireReply:
        described = operation(request.method, request.path)
        self.seen.add(described["operationId"])
        if "requestBody" in described:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            validate(json.loads(request.body), schema)
        reply = answer(academy, request)
        responses = described["responses"]
        documented = resolved(responses.get(str(reply.status), responses["default"]))
        if "content" in documented:
            assert reply.content_type in documented["content"]
            validate(json.loads(reply.body), documented["content"][reply.content_type]["schema"])
        return reply


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SimulatedAcademy, Any, Recorder]]:
    """The platform, the connector open on it, and the recorder between the two."""
    academy = SimulatedAcademy()
    recorder = Recorder()
    monkeypatch.setattr("lms_bridge.devtools.academy.app.answer", recorder)
    with serve(academy) as address:
        access = SystemAccess(
            "academy", address, academy.token, {"page_size": 2}, private_addresses=True
        )
        system: Any = connector.open(access)
        yield academy, system, recorder
        system.close()


def test_the_document_is_valid() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_validation_refuses_a_wrong_exchange() -> None:
    page = DOCUMENT["components"]["schemas"]["EnrolmentPage"]
    enrolment = {"id": "1", "offering": "O", "status": "enroled", "learner": {"id": "a b"}}
    reported = " ".join(problems({"items": [enrolment], "next": None, "changes": ""}, page))
    assert all(wrong in reported for wrong in ("'enroled'", "'a b'", "'email'", "''"))


def test_every_exchange_is_as_documented(exchange: tuple[SimulatedAcademy, Any, Recorder]) -> None:
    academy, system, recorder = exchange
    list(system.probe())
    requests = [offering_request(key, offering(f"O{key}")) for key in range(3)]
    list(system.write_offerings([*requests, removal_request(9, "O2")]))
    academy.refused.add("O1")
    list(system.write_offerings(requests))
    list(system.show_offerings(["O0", "O2", "nothing"]))
    ids = [academy.enrol(CENTRE, "O0", learner_fields(f"p{number}")) for number in range(5)]
    *_, last = system.read_registrations(CENTRE, {})
    academy.withdraw(ids[3])
    list(system.registrations_since(CENTRE, {}, last.cursor))
    list(system.registrations_since(CENTRE, {}, "c9999"))
    list(
        system.write_results(
            [result_request(1, "O0", "p0", "0"), result_request(2, "O0", "q", "1")]
        )
    )
    bridges_own = {"health", "showOfferings", "putOfferings", "readEnrolments", "putResults"}
    assert recorder.seen == bridges_own


def test_every_path_of_the_document_is_described_in_words() -> None:
    words = (DOCS / "academy-api.md").read_text(encoding="utf-8")
    for path, item in DOCUMENT["paths"].items():
        for method in item:
            assert f"`{method.upper()} {path}" in words
