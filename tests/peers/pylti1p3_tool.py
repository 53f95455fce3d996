"""A tool as PyLTI1p3's own Flask example makes one: launch, members, score, deep linking."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from flask import Flask, Response, jsonify
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.grade import Grade
from pylti1p3.lineitem import LineItem

kit: Any = import_module("pylti1p3.contrib.flask")
"""Without types: the library declares only some of them."""


def make_app(configuration: dict[str, Any], private_key: str, public_key: str) -> Flask:
    """``configuration`` is {issuer: what the platform's administrator gave}."""
    app = Flask("pylti1p3_tool")
    app.secret_key = secrets.token_hex(16)
    tool: Any = import_module("pylti1p3.tool_config").ToolConfDict(configuration)
    for issuer, registration in configuration.items():
        client = registration["client_id"]
        tool.set_private_key(issuer, private_key, client_id=client)
        tool.set_public_key(issuer, public_key, client_id=client)

    def requested() -> Any:
        return kit.FlaskRequest()

    @app.get("/jwks")
    def keys() -> Response:
        return jsonify(tool.get_jwks())

    @app.route("/login", methods=["GET", "POST"])
    def login() -> Any:
        request = requested()
        target = request.get_param("target_link_uri")
        return kit.FlaskOIDCLogin(
            request, tool, session_service=kit.FlaskSessionService(request)
        ).redirect(target)

    @app.post("/launch")
    def launch() -> Any:
        message = kit.FlaskMessageLaunch(requested(), tool)
        data = message.get_launch_data()
        if message.is_deep_link_launch():
            item = DeepLinkResource()
            item.set_url(_target(data))
            item.set_title("Unit <2>").set_custom_params({"unit": "2"})
            item.set_lineitem(LineItem().set_score_maximum(5).set_label("Unit 2"))
            return message.get_deep_link().output_response_form([item])
        return jsonify(_served(message, data))

    return app


def _target(data: dict[str, Any]) -> str:
    return str(data["https://purl.imsglobal.org/spec/lti/claim/target_link_uri"])


def _served(message: Any, data: dict[str, Any]) -> dict[str, Any]:
    members = message.get_nrps().get_members()
    grades = message.get_ags()
    grade = Grade()
    grade.set_score_given(7).set_score_maximum(10).set_user_id(data["sub"])
    grade.set_timestamp(datetime.now(UTC).isoformat())
    grade.set_activity_progress("Completed").set_grading_progress("FullyGraded")
    grades.put_grade(grade)
    own = grades.find_or_create_lineitem(
        LineItem().set_tag("quiz").set_score_maximum(3).set_label("Quiz")
    )
    return {
        "sub": data["sub"],
        "members": members,
        "results": grades.get_grades(),
        "own": json.loads(own.get_value()),
    }
