"""The least that Flask answers: what pages of the interface are compared with."""

from __future__ import annotations

import gc
import socket
import sys

from flask import Flask

from lms_bridge.server.limits import ServerLimits
from lms_bridge.server.listener import HttpServer

app = Flask("hello")


@app.get("/")
def hello() -> str:
    return "hello"


if __name__ == "__main__":  # on the bridge's server: python -m benchmarks.hello PORT THREADS
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
        gc.freeze()
        HttpServer(app, listening, ServerLimits(threads=int(sys.argv[2]))).run()
