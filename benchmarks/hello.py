"""The least that Flask answers: what pages of the interface are compared with."""

from __future__ import annotations

from flask import Flask

from lms_bridge.web.one_cpu import on_one_cpu

app = Flask("hello")


@app.get("/")
def hello() -> str:
    return "hello"


on_the_bridges_cpu = on_one_cpu(app)
"""With what the bridge adds to the server (``web.one_cpu``)."""
