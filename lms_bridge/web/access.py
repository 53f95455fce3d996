"""Who may see what. Until people can sign in, operations are shown on the bridge's own machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Request, request

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import BridgeError

PUBLIC = frozenset(
    {
        *("overview", "catalogue", "health"),
        *("feeds", "feed_files", "sitemaps", "oeapi"),
        *("api", "api_docs"),  # programs show a token instead
        *("lti_tool", "lti_platform", "lti_machine", "lti_services", "lti_connect"),
    }
)
"""Blueprints that anybody may see; whatever is added later is closed until it is named here."""
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class Closed(BridgeError):
    """The page is not for whoever asks."""

    def __init__(self) -> None:
        super().__init__(
            "operations-closed",
            "This page shows how the bridge is run, and is open only to the machine that it runs "
            "on.",
            "An operator may open it to everybody who reaches this server with the setting "
            "web.open_operations.",
        )


def add_to(app: Flask, bridge: Bridge) -> None:
    """Guards every page that is not public."""
    is_open = bridge.settings.web.open_operations

    @app.before_request
    def _guard() -> None:
        endpoint = request.endpoint
        if endpoint is None or endpoint == "static":
            return
        if endpoint.rpartition(".")[0] not in PUBLIC and not may_see_operations():
            raise Closed

    @app.context_processor
    def _for_templates() -> dict[str, object]:
        return {"operations_shown": may_see_operations()}

    def may_see_operations() -> bool:
        return is_open or from_this_machine(request)


def from_this_machine(asked: Request) -> bool:
    """True only for a browser on this machine that was pointed at it.

    A proxy on the same machine has a loopback address, too: it is known by the headers that it
    adds. The name in the address must be this machine's, else any page of the web could lead a
    browser here under a name of its own (DNS rebinding).
    """
    if any(name in asked.headers for name in _FORWARDED):
        return False
    return is_loopback(asked.remote_addr or "") and is_loopback(_host(asked))


def _host(asked: Request) -> str:
    try:
        return urlsplit(f"//{asked.host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether this name or IP address is always this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
