"""A plain tool on PyLTI1p3 and Flask, as the library's README makes one.

``FROM_FILE=1`` reads the configuration from its file in each view, as the README has it; without,
it is made once. ``KEPT_KEYS=1`` adds the cache of platforms' key sets that the README offers.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response
from markupsafe import escape
from pylti1p3.contrib.flask import (
    FlaskCacheDataStorage,
    FlaskMessageLaunch,
    FlaskOIDCLogin,
    FlaskRequest,
)
from pylti1p3.tool_config import ToolConfDict, ToolConfJsonFile

PLATFORM = json.loads(os.environ["PLATFORM"])
LAUNCH = os.environ["LAUNCH"]


class Memory(dict[str, Any]):
    """What the cache needs of Flask-Caching, in memory: the cheapest there is."""

    def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        del timeout
        self[key] = value


app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
settings = {
    PLATFORM["issuer"]: [
        {
            "default": True,
            "client_id": PLATFORM["client_id"],
            "auth_login_url": PLATFORM["authorization"],
            "auth_token_url": PLATFORM["authorization"],
            "key_set_url": PLATFORM["keys"],
            "private_key_file": "private.key",
            "deployment_ids": [PLATFORM["deployment"]],
        }
    ]
}
made = ToolConfDict(settings)
folder = Path(tempfile.mkdtemp())
(folder / "private.key").write_bytes(
    rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
)
(folder / "tool.json").write_text(json.dumps(settings), "utf-8")


def config() -> ToolConfDict:
    return ToolConfJsonFile(str(folder / "tool.json")) if os.environ.get("FROM_FILE") else made


storage = FlaskCacheDataStorage(Memory()) if os.environ.get("KEPT_KEYS") else None


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    return FlaskOIDCLogin(FlaskRequest(), config()).redirect(LAUNCH)


@app.post("/launch")
def launch() -> Response:
    message = FlaskMessageLaunch(FlaskRequest(), config())
    if storage is not None:
        message.set_public_key_caching(storage)
    data = message.get_launch_data()
    course = data["https://purl.imsglobal.org/spec/lti/claim/context"]["title"]
    return Response(f"<!doctype html><title>Arrived</title><p>{escape(course)}")
