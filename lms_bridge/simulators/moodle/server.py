"""Simulated sites on a real port: ``with serve(site) as server: …``."""

import re
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from . import control
from .endpoint import answer
from .site.state import MoodleState
from .wire import pages
from .wire.forms import read_pairs
from .wire.http import HttpServer, Request
from .wire.reply import Reply

ENDPOINT = "/webservice/rest/server.php"
LOGIN = "/login/index.php"
CONTROL = "/__control__"

Sites = MoodleState | Sequence[MoodleState] | Mapping[str, MoodleState]


def paths_of(sites: Sites) -> dict[str, MoodleState]:
    """Path prefix -> site: none for a single site, otherwise as given or made of the names.

    Raises ValueError when two sites would share a path.
    """
    if isinstance(sites, MoodleState):
        return {"": sites}
    if isinstance(sites, Mapping):
        return {"/" + path.strip("/") if path else "": site for path, site in sites.items()}
    slugs = ["/" + re.sub(r"[^a-z0-9]+", "-", site.name.lower()).strip("-") for site in sites]
    if len(set(slugs)) != len(slugs):
        raise ValueError("sites served together need different names")
    return dict(zip(slugs, sites, strict=True))


class RunningServer:
    """Sites being served on 127.0.0.1, until :meth:`stop` or the end of the ``with`` block."""

    def __init__(self, sites: dict[str, MoodleState], port: int = 0) -> None:
        self.sites = sites
        self._http = HttpServer(("127.0.0.1", port), self._respond)
        self.port = int(self._http.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        for path, site in sites.items():
            site.wwwroot = self.url + path
        # A short poll: stopping waits for it, and tests stop servers by the hundred.
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def url_of(self, site: MoodleState | None = None) -> str:
        """A site's address, as a centre's settings name it; the first site's by default."""
        for path, served in self.sites.items():
            if site is None or served is site:
                return self.url + path
        raise LookupError("that site isn't served here")

    def endpoint_of(self, site: MoodleState | None = None) -> str:
        """The address that forms are sent to."""
        return self.url_of(site) + ENDPOINT

    def stop(self) -> None:
        """End all connections and free the port."""
        self._http.stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _respond(self, request: Request) -> Reply:
        if request.path == CONTROL:
            return control.respond(self.sites, request)
        for suffix in (ENDPOINT, LOGIN):
            site = self.sites.get(request.path.removesuffix(suffix))
            if site is not None and request.path.endswith(suffix):
                if suffix == LOGIN:
                    return Reply(200, pages.login(site.name), pages.HTML_TYPE)
                return answer(site, _pairs(request))
        return Reply(404, pages.page("Not found", request.path), pages.HTML_TYPE)


def _pairs(request: Request) -> list[tuple[str, str]]:
    """The query's variables and then the body's, which win, as in PHP."""
    return read_pairs(request.query) + read_pairs(request.body.decode("utf-8", "replace"))


def serve(sites: Sites, port: int = 0) -> RunningServer:
    """Serve one site at the root, or several under their paths (see :func:`paths_of`).

    Sets each site's ``wwwroot`` to its new address. ``port`` 0 takes a free one.
    """
    return RunningServer(paths_of(sites), port)
