"""Answers that may be shown inside a platform's page, and the cookie of a login."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response, current_app
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.reading import origin
from lms_bridge.web.headers import Complete

_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action {targets}; frame-ancestors {frames}"
)
_HTML = "text/html; charset=utf-8"
ANYWHERE = "*"
_COOKIE = "Secure; HttpOnly; Path=/; SameSite=None; Partitioned"


def page(
    template: str,
    *,
    frames: str = ANYWHERE,
    targets: str = "'self'",
    status: int = 200,
    **values: object,
) -> Response:
    """A page that a platform may frame: ``frames`` and ``targets`` are lists of sources of the
    content security policy. Pages without anything to click may be framed anywhere."""
    # Flask's own way also asks who may see operations, of which these pages show nothing.
    found = current_app.jinja_env.get_template(f"lti_tool/{template}")
    return shown(found.render(values), frames=frames, targets=targets, status=status)


def shown(html: str, *, frames: str, targets: str = "'self'", status: int = 200) -> Response:
    """A page that is rendered already, as an answer that a platform may frame."""
    return Complete(html, status, _headers(frames, targets), content_type=_HTML)


def framed(response: Response, *, frames: str, targets: str = "'self'") -> Response:
    response.headers.update(_headers(frames, targets))
    return response


def _headers(frames: str, targets: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": _POLICY.format(targets=targets, frames=frames),
        # The platform's page opens the launch, and may be told when it is over.
        "Cross-Origin-Opener-Policy": "unsafe-none",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def frames_of(launch: Launch) -> str:
    """Who may frame the answer to a launch: every server that the platform named in it. Canvas has
    one issuer for all schools, so that the issuer alone would not do."""
    grading = launch.grading
    named = [launch.issuer, launch.return_address, launch.memberships]
    if grading is not None:
        named += [grading.line_items, grading.line_item]
    if launch.selection is not None:
        named.append(launch.selection.return_address)
    return sources(named)


def sources(addresses: Iterable[str]) -> str:
    found = dict.fromkeys(origin(address) for address in addresses)
    return " ".join(["'self'", *(each for each in found if each)])


def set_cookie(response: AnyResponse, name: str, value: str, seconds: int) -> None:
    """For use inside a frame of the platform's page (traps 16): partitioned, hence the browser
    gives it back only under the same platform."""
    # Both are words of our own, with nothing to be quoted in them.
    response.headers.add("Set-Cookie", f"{name}={value}; Max-Age={seconds}; {_COOKIE}")


def drop_cookie(response: AnyResponse, name: str) -> None:
    set_cookie(response, name, "", 0)
