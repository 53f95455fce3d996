"""A plain tool on PyLTI1p3 and Flask, as the library's README makes one.

``KEPT_KEYS=1`` adds the cache of platforms' key sets that its README offers.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

from flask import Flask, Response
from markupsafe import escape
from pylti1p3.contrib.flask import (
    FlaskCacheDataStorage,
    FlaskMessageLaunch,
    FlaskOIDCLogin,
    FlaskRequest,
)
from pylti1p3.tool_config import ToolConfDict

PLATFORM = json.loads(os.environ["PLATFORM"])
LAUNCH = os.environ["LAUNCH"]


class Memory(dict[str, Any]):
    """What the cache needs of Flask-Caching, in memory: the cheapest there is."""

    def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        del timeout
        self[key] = value


app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
config = ToolConfDict(
    {
        PLATFORM["issuer"]: [
            {
                "default": True,
                "client_id": PLATFORM["client_id"],
                "auth_login_url": PLATFORM["authorization"],
                "auth_token_url": PLATFORM["authorization"],
                "key_set_url": PLATFORM["keys"],
                "deployment_ids": [PLATFORM["deployment"]],
            }
        ]
    }
)
storage = FlaskCacheDataStorage(Memory()) if os.environ.get("KEPT_KEYS") else None


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    return FlaskOIDCLogin(FlaskRequest(), config).redirect(LAUNCH)


@app.post("/launch")
def launch() -> Response:
    message = FlaskMessageLaunch(FlaskRequest(), config)
    if storage is not None:
        message.set_public_key_caching(storage)
    data = message.get_launch_data()
    course = data["https://purl.imsglobal.org/spec/lti/claim/context"]["title"]
    return Response(f"<!doctype html><title>Arrived</title><p>{escape(course)}")
