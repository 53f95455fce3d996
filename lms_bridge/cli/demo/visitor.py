"""A browser without a screen: it keeps cookies, follows redirects, and sends the forms that a page
would send by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

MOST_HOPS = 20
SECONDS = 30.0
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Page:
    """``heading`` and ``text`` are what is to be read on it."""

    address: str
    status: int
    heading: str
    text: str


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    waits: bool = False


class _Reading(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self.words: list[str] = []
        self.heading: list[str] = []
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("h1", "script", "style", "title", "header", "footer"):
            self._in.append(tag)
        elif tag == "form" and given.get("method", "").lower() == "post":
            self.forms.append(_Form(given.get("action", "")))
        elif tag in ("input", "button", "select") and self.forms:
            if tag == "input" and given.get("type") == "hidden":
                self.forms[-1].fields[given.get("name", "")] = given.get("value", "")
            elif given.get("name"):
                self.forms[-1].waits = True  # for somebody to choose

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if not self._in:
            self.words.append(data)
        elif self._in[-1] == "h1":
            self.heading.append(data)

    @property
    def by_itself(self) -> _Form | None:
        """The form that the page's script would send."""
        ready = [form for form in self.forms if form.fields and not form.waits]
        return ready[0] if len(ready) == 1 else None


class Visitor:
    """``told`` hears every address before it is asked, without its query."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._session = requests.Session()
        self._session.trust_env = False

    def open(self, address: str) -> Page:
        return self._go("GET", address, None)

    def send(self, address: str, fields: Mapping[str, str]) -> Page:
        return self._go("POST", address, fields)

    def close(self) -> None:
        self._session.close()

    def _go(self, method: str, address: str, fields: Mapping[str, str] | None) -> Page:
        """Raises requests.RequestException: a site does not answer."""
        for _ in range(MOST_HOPS):
            self._told(address.partition("?")[0])
            answer = self._session.request(
                method,
                address,
                data=fields,
                headers={"Accept": "text/html"},
                timeout=SECONDS,
                allow_redirects=False,
            )
            for cookie in self._session.cookies:
                cookie.secure = False  # browsers send them over plain HTTP on their own machine
            if answer.is_redirect:
                address = urljoin(address, answer.headers["Location"])
                method, fields = "GET", None
                continue
            read = _Reading(answer.text)
            form = read.by_itself
            if form is None:
                heading, text = (" ".join("".join(s).split()) for s in (read.heading, read.words))
                return Page(address, answer.status_code, heading, text)
            method, address, fields = "POST", urljoin(address, form.action), form.fields
        raise requests.TooManyRedirects("the sites send the browser to and fro")
