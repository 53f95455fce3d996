"""The Flask application over one bridge, and how a WSGI server finds it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from io import BytesIO
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event
from typing import IO, Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from lms_bridge import api, logs
from lms_bridge.accounts import own_page, sign_in
from lms_bridge.accounts import pages as account_pages
from lms_bridge.accounts.feature import add_accounts_to
from lms_bridge.admin import (
    audit_pages,
    check_pages,
    decision_pages,
    figures_pages,
    held_pages,
    people_pages,
    token_pages,
    whereabouts_pages,
)
from lms_bridge.admin import pages as admin_pages
from lms_bridge.api import centres, offerings, operations, registrations, results, reviews, runs
from lms_bridge.bootstrap import build
from lms_bridge.bridge import Bridge
from lms_bridge.catalogue import directory, feed_routes, oeapi_routes, sitemap
from lms_bridge.catalogue import pages as catalogue_pages
from lms_bridge.catalogue import requests as feed_requests
from lms_bridge.centre_desk import feature as centre_desk
from lms_bridge.intake import routes as intake_routes
from lms_bridge.learner import calendar as learner_calendar
from lms_bridge.learner import pages as learner_pages
from lms_bridge.learner import registration_pages
from lms_bridge.lti import pages as connection_pages
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.platform import views
from lms_bridge.lti.tool import views as tool_views
from lms_bridge.network import report_routes
from lms_bridge.network import routes as network_routes
from lms_bridge.review import feature as review
from lms_bridge.server import error_handler
from lms_bridge.server.limits import ServerLimits
from lms_bridge.server.listener import HttpServer
from lms_bridge.settings import Settings, load
from lms_bridge.web import access, filters, guard, headers, languages, navigation, visitors
from lms_bridge.web.client_address import networks
from lms_bridge.web.fast_responses import WholeResponse
from lms_bridge.web.paging import address_with
from lms_bridge.webhooks import pages as webhook_pages
from lms_bridge.webhooks import routes as webhook_routes

API_RESOURCES = (
    centres,
    offerings,
    reviews,
    registrations,
    results,
    runs,
    operations,
    intake_routes,
    webhook_routes,
    network_routes,
    report_routes,
)
"""Importing one of these modules declares its routes of the API."""

BLUEPRINTS = (
    admin_pages.public_pages,
    admin_pages.operator_pages,
    decision_pages.pages,
    check_pages.pages,
    *held_pages.BLUEPRINTS,
    people_pages.pages,
    figures_pages.pages,
    whereabouts_pages.pages,
    audit_pages.pages,
    catalogue_pages.pages,
    directory.pages,
    feed_routes.routes,
    sitemap.routes,
    oeapi_routes.routes,
    own_page.pages,
    account_pages.pages,
    token_pages.pages,
    webhook_pages.pages,
    learner_pages.pages,
    learner_calendar.routes,
    centre_desk.pages,
    review.pages,
)
"""Those of the API, and of LTI, are added by their own packages."""


class NoSessions(SessionInterface):
    """No page uses a session, so none is opened."""

    _session = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._session


MOST_FIELDS = 1_000
"""Of a form: no page has a tenth of it, and each costs time before anybody looks at it."""


class FormParser(FormDataParser):
    """Refuses a form of too many fields before it is taken apart."""

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> Any:
        if mimetype == "application/x-www-form-urlencoded":
            body = stream.read()
            if body.count(b"&") >= MOST_FIELDS:
                raise RequestEntityTooLarge
            stream = BytesIO(body)
        return super().parse(stream, mimetype, content_length, options)


class FormRequest(Request):
    form_data_parser_class = FormParser


class App(Flask):
    """Flask without the steps that no page here needs."""

    request_class = FormRequest
    response_class = WholeResponse
    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """No view is asynchronous: this saves Flask's check of each view at each request."""
        return func


def create_app(bridge: Bridge) -> Flask:
    """The pages over this bridge, which must stay open as long as they are served."""
    app = App("lms_bridge.web")
    app.url_map.merge_slashes = False  # it would redirect to whatever host the request names
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024  # forms are small; routes of the API set their own
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    access.add_bridge_to(app, bridge)
    visitors.add_limits_to(app, bridge)
    languages.add_to(app, access.account_language)
    filters.add_to(app)
    app.jinja_env.globals["address_with"] = address_with
    navigation.add_to(app)
    headers.add_to(app)
    guard.add_to(app)
    sign_in.add_to(app)
    add_accounts_to(app, bridge)
    error_handler.add_to(app)
    feed_requests.limit_feeds(app, bridge)
    admin_pages.add_probe_to(app, bridge)
    check_pages.add_to(app, bridge)
    for endpoint, count in admin_pages.counts_of_menu().items():
        navigation.count_for(app, endpoint, count)
    registration_pages.add_to(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    api.add_to(app, bridge)
    views.add_platform_to(app, bridge)
    tool_views.add_tool_to(app, bridge)
    connection_pages.add_to(app, bridge)
    access.check_needs(app)
    return app


# Connections to the database cannot be shared between processes, so each worker process builds its
# own bridge. WSGI servers other than ours get the factory ``lms_bridge.server.app:application``.


def application() -> Flask:
    """The application with the settings of config/ and the environment."""
    return application_with(load())


def application_with(settings: Settings) -> Flask:
    """The application with these settings, in this process."""
    logs.set_up(settings.log.level, as_json=settings.log.json)
    bridge = build(settings)
    lti_of(bridge).warm_keys()
    return create_app(bridge)


Extend = Callable[[Flask], None]
"""Adds pages to an application; a function that another process can import."""


def serve_in_worker(
    settings: Settings, listening: socket.socket, ready: Event, extend: Extend | None = None
) -> None:
    """Serves the application on the socket until SIGTERM, in a process that `serve` has started."""
    # Ctrl+C reaches every process of the terminal's group. Only the parent may stop the worker.
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    app = application_with(settings)
    if extend is not None:
        extend(app)
    warm = partial(catalogue_pages.fill_index, app)
    threading.Thread(target=warm, name="catalogue", daemon=True).start()
    server = HttpServer(app, listening, limits_of(settings))
    server.loop.add_signal_handler(signal.SIGTERM, server.stop)
    sys.setswitchinterval(0.001)  # long work lets short requests go before it more often
    gc.freeze()  # the garbage collector need not search what stays for good
    server.loop.call_soon(ready.set)
    server.run()


def limits_of(settings: Settings) -> ServerLimits:
    web = settings.web
    return ServerLimits(
        threads=web.threads,
        in_turn=settings.store.address.startswith("sqlite:"),
        head=web.head_seconds,
        body=web.body_seconds,
        idle=web.idle_seconds,
        rate=web.least_rate,
        connections=web.connections,
        forwarders=networks(web.proxy_protocol_from),
        proxies=networks(web.trusted_proxies),
    )


def _end_with_parent() -> None:
    """A parent that was killed cannot end its worker, which would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
