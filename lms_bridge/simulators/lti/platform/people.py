"""Signing in: whoever looks at the samples picks one of the sample people."""

from __future__ import annotations

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.simulators.lti.platform.state import Person, PlatformState
from lms_bridge.simulators.lti.refusing import NotAccepted
from lms_bridge.simulators.lti.showing import page, set_cookie

COOKIE = "sample_academy"
SECONDS = 86_400


def add_to(app: Flask, platform: PlatformState) -> None:
    @app.post("/sign-in")
    def sign_in() -> AnyResponse:
        person = platform.people.get(request.form.get("person", ""))
        if person is None:
            raise NotAccepted("There is no such sample person.", 404)
        response = Response(status=303, headers={"Location": "/"})
        set_cookie(response, COOKIE, platform.sign_ins.put(person.id), SECONDS)
        return response

    @app.post("/sign-out")
    def sign_out() -> AnyResponse:
        platform.sign_ins.take(request.cookies.get(COOKIE, ""))
        return redirect("/", 303)


def signed_in(platform: PlatformState) -> Person | None:
    """Who is signed in in the browser that asks."""
    return platform.people.get(platform.sign_ins.look(request.cookies.get(COOKIE, "")) or "")


def needs(platform: PlatformState) -> Person:
    person = signed_in(platform)
    if person is None:
        raise NotAccepted("Nobody is signed in here.", 403)
    return person


def ask(platform: PlatformState) -> Response:
    return page("sign_in.html", people=list(platform.people.values()))
