"""Connector ``academy_http``: an Academy platform that offers the API of docs/academy-api.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from lms_bridge.connectors.academy_http import reads, writes
from lms_bridge.connectors.academy_http.client import AcademyHttpClient
from lms_bridge.connectors.academy_http.probe import probe
from lms_bridge.domain.bounds import Bounds
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.ports import (
    Connector,
    Option,
    Pages,
    ProbeFinding,
    SystemAccess,
    WriteRequest,
    WriteResults,
)
from lms_bridge.http.call_slots import slots_of
from lms_bridge.http.client import Http

_SIZES = Bounds(1, 1000)
PAGE_SIZE = Option("page_size", "number", 200, "Enrolments in one call.", _SIZES)


class AcademyHttp:
    """One opened platform. Several threads may use it at once."""

    def __init__(self, client: AcademyHttpClient, *, page_size: int) -> None:
        self._client = client
        self._page_size = page_size

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return writes.write_offerings(self._client, requests)

    def write_results(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return writes.write_results(self._client, requests)

    def show_offerings(self, external_ids: Sequence[str]) -> Pages:
        return reads.offerings(self._client, external_ids)

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        """All registrations of the centre, also for offerings that the bridge does not know yet."""
        del offerings
        return reads.all_enrolments(self._client, centre, self._page_size)

    def registrations_since(self, centre: str, offerings: Mapping[str, str], cursor: str) -> Pages:
        del offerings
        return reads.enrolments_since(self._client, centre, self._page_size, cursor)

    def probe(self) -> Iterator[ProbeFinding]:
        return probe(self._client)

    def close(self) -> None:
        self._client.close()


def _open(access: SystemAccess) -> AcademyHttp:
    problems = list(_problems(access))
    if problems:
        raise SettingsInvalid(problems)
    http = Http(
        access.limits,
        private_addresses=access.private_addresses,
        system=access.system,
        slots=slots_of(access.address),
    )
    client = AcademyHttpClient(http, access.address, access.secret)
    return AcademyHttp(client, page_size=_page_size(access))


def _problems(access: SystemAccess) -> Iterator[str]:
    try:
        parts = urlsplit(access.address)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname)
        extra = bool(parts.query or parts.fragment)
    except ValueError:
        usable, extra = False, False
    if not usable:
        yield "address: is not a web address such as https://academy.example/api/sync"
    if extra:
        yield "address: has a query or a fragment, to which no path can be added"
    if not access.secret:
        yield "secret: the token is missing"
    elif not (access.secret.isascii() and access.secret.isprintable() and " " not in access.secret):
        yield "secret: the token has characters that no token has"
    for name in access.options:
        if name != PAGE_SIZE.name:
            yield f"options.{name}: is unknown; there is only {PAGE_SIZE.name}"
    size = _page_size(access)
    if not isinstance(size, int) or isinstance(size, bool):
        yield f"options.{PAGE_SIZE.name}: is not a whole number"
    elif complaint := _SIZES.complaint(size):
        yield f"options.{PAGE_SIZE.name}: {complaint}"


def _page_size(access: SystemAccess) -> Any:
    return access.options.get(PAGE_SIZE.name, PAGE_SIZE.default)


connector = Connector(
    name="academy_http",
    title="An Academy platform with the bridge's REST contract",
    sides=frozenset({"academy"}),
    open=_open,
    options=(PAGE_SIZE,),
)
