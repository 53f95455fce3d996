"""A platform of which only the memberships service matters: many courses, and many ways to fail."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request

from tests.peers.platform import usual_key
from tests.peers.serving import free_socket, serving
from tests.peers.signing import Key

LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"
MEMBERS_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"


def person(id_: str, **more: Any) -> dict[str, Any]:
    """A sample learner as a generous platform shows them."""
    return {
        "user_id": id_,
        "status": "Active",
        "roles": [LEARNER],
        "given_name": f"Sample{id_}",
        "family_name": "Person",
        "email": f"sample{id_}@example.org",
        "lis_person_sourcedid": f"SAMPLE-{id_}",
        **more,
    }


@dataclass
class RosterPlatform:
    """``courses`` is {course: its people}; ``fault`` one of ``denied``, ``busy``, ``page``, ``cut``
    and ``lost``; ``faulty`` the only courses that it concerns, if there are any."""

    address: str = ""
    key: Key = field(default_factory=usual_key)
    courses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page_size: int = 2
    fault: str = ""
    faulty: set[str] = field(default_factory=set)
    requested: list[str] = field(default_factory=list)
    tokens: int = 0

    def members(self, course: str) -> str:
        """The address of a course's memberships service, with a query as Moodle's has one."""
        return f"{self.address}/courses/{course}/members?Of=Tool"

    def answer(self, course: str) -> Response:
        start = int(request.args.get("from", 0))
        if not self.faulty or course in self.faulty:
            failed = self._fail(start)
            if failed is not None:
                return failed
        if course not in self.courses:
            return Response("", 404)
        people = self.courses[course]
        end = start + self.page_size
        answer = jsonify(id=self.members(course), context={"id": course}, members=people[start:end])
        answer.headers["Content-Type"] = MEMBERS_TYPE
        if end < len(people):
            following = f"{self.members(course)}&from={end}"
            answer.headers["Link"] = f'<{following}>; rel="next"'
        return answer

    def _fail(self, start: int) -> Response | None:
        if self.fault == "denied":
            return Response("", 403)
        if self.fault == "busy":
            return Response("", 503, {"Retry-After": "0"})
        if self.fault == "page":
            return Response("<html>Sign in</html>", 200, content_type="text/html")
        if self.fault == "lost" or (self.fault == "cut" and start):
            _reset(request.environ["werkzeug.socket"])
        return None


def _reset(connection: socket.socket) -> None:
    """Ends the connection without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


def _application(platform: RosterPlatform) -> Flask:
    app = Flask("tests.peers.rosters")

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify(keys=[platform.key.jwk])

    @app.post("/token")
    def token() -> Response:
        if platform.fault == "denied" and not platform.faulty:
            return Response('{"error": "invalid_client"}', 401)
        platform.tokens += 1
        return jsonify(access_token=f"t-{platform.tokens}", expires_in=3600)

    @app.get("/courses/<course>/members")
    def members(course: str) -> Response:
        platform.requested.append(course)
        if not request.headers.get("Authorization", "").startswith("Bearer t-"):
            return Response("", 401)
        return platform.answer(course)

    return app


@contextmanager
def serving_rosters() -> Iterator[RosterPlatform]:
    listening = free_socket()
    platform = RosterPlatform(f"http://127.0.0.1:{listening.getsockname()[1]}")
    with serving(_application(platform), listening):
        yield platform
