"""Pages inside a platform's frame: headers, the login cookie, refusals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from flask import Blueprint, Flask, Response, current_app
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from lms_bridge.bridge import Bridge
from lms_bridge.http.origins import origin
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.http_requests import log_refusal, tool_targets, ways_on
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.tool import Tool
from lms_bridge.web.fast_responses import CompleteResponse

_NAME = "lti_tool"


class OnLaunch(Protocol):
    """What becomes of a launch of a resource link that was checked in full."""

    def __call__(self, launch: Launch, tool: Tool) -> ResponseReturnValue: ...


@dataclass
class Hosted:
    tool: Tool
    on_launch: OnLaunch


def new_blueprint() -> Blueprint:
    return Blueprint(
        _NAME,
        "lms_bridge.lti.tool.views",
        template_folder="templates",
        static_folder="static",
        static_url_path="/lti/tool/static",
    )


def host(app: Flask, bridge: Bridge, on_launch: OnLaunch) -> None:
    app.extensions[_NAME] = Hosted(Tool(lti_of(bridge).context), on_launch)


def hosted() -> Hosted:
    found = current_app.extensions[_NAME]
    if not isinstance(found, Hosted):
        raise RuntimeError("the application has no tool side")
    return found


def the_tool() -> Tool:
    return hosted().tool


_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action {targets}; frame-ancestors {frames}"
)
_HTML = "text/html; charset=utf-8"
ANYWHERE = "*"
_COOKIE = "Secure; HttpOnly; Path=/; SameSite=None; Partitioned"


def framed_page(
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
    return shown_in_frame(found.render(values), frames=frames, targets=targets, status=status)


def shown_in_frame(
    html: str, *, frames: str, targets: str = "'self'", status: int = 200
) -> Response:
    """The response for a rendered page that a platform may frame."""
    return CompleteResponse(html, status, _headers(frames, targets), content_type=_HTML)


def framed(response: Response, *, frames: str, targets: str = "'self'") -> Response:
    response.headers.update(_headers(frames, targets))
    return response


def _headers(frames: str, targets: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": _POLICY.format(targets=targets, frames=frames),
        # The platform's page opens the launch, and may learn when it is over.
        "Cross-Origin-Opener-Policy": "unsafe-none",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def frames_of(launch: Launch) -> str:
    """Who may frame the page of a launch: every server that the platform named in it. Canvas has
    one issuer for all schools, so the issuer alone is not enough."""
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
    """For use inside a frame of the platform's page: partitioned, hence the browser
    gives it back only under the same platform."""
    # Both are words of our own, with nothing to be quoted in them.
    response.headers.add("Set-Cookie", f"{name}={value}; Max-Age={seconds}; {_COOKIE}")


def drop_cookie(response: AnyResponse, name: str) -> None:
    set_cookie(response, name, "", 0)


def add_refusals_to(pages: Blueprint) -> None:
    pages.register_error_handler(LtiRefused, refused_launch)
    pages.register_error_handler(RequestEntityTooLarge, too_large)


def refused_launch(error: Exception) -> Response:
    """The reference finds the line in the log, which holds no personal data."""
    if not isinstance(error, LtiRefused):
        raise error
    reference = log_refusal(error, "launch refused")
    page = framed_page(
        "refused.html",
        status=error.status,
        targets="'self'" if error.onward is None else tool_targets(),
        error=error,
        reference=reference,
        ways=ways_on(error),
    )
    page.headers.extend(error.headers)
    return page


def too_large(error: Exception) -> Response:
    del error
    return refused_launch(
        LtiRefused(
            "too-large", "The message of the platform is too large for a launch.", status=413
        )
    )
