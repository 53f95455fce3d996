"""The Academy's platform, reached through the REST contract of docs/academy-api.md."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from connectors.academy_http.academy import Academy
from connectors.academy_http.client import Client
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.ports import Access, Connector, Option
from lms_bridge.http import Http

PAGE_SIZE = Option("page_size", "number", 200, "Enrolments asked for at a time, 1 to 1,000.")


def _open(access: Access) -> Academy:
    problems = list(_problems(access))
    if problems:
        raise SettingsInvalid(problems)
    http = Http(access.limits, private_addresses=access.private_addresses, system=access.system)
    client = Client(http, access.address, access.secret)
    return Academy(client, page_size=_page_size(access))


def _problems(access: Access) -> Iterator[str]:
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
    if not 1 <= _page_size(access) <= 1000:
        yield "options.page_size: is not a whole number from 1 to 1,000"


def _page_size(access: Access) -> int:
    """The setting, or 0 where it is no whole number."""
    size = access.options.get(PAGE_SIZE.name, PAGE_SIZE.default)
    return size if isinstance(size, int) and not isinstance(size, bool) else 0


connector = Connector(
    name="academy_http",
    title="An Academy platform with the bridge's REST contract",
    sides=frozenset({"academy"}),
    open=_open,
    options=(PAGE_SIZE,),
)
