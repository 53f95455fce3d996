"""A browser without a screen: cookies, redirects, and forms that a script would send.

It keeps ``Secure`` cookies for plain http on the loopback address, as Chromium does, and it forgets
nothing of what the server asked of a cookie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    """An answer, with its forms."""

    status: int
    address: str
    headers: requests.structures.CaseInsensitiveDict[str]
    text: str
    forms: list[Form]

    @property
    def goes_to(self) -> str:
        """Where it redirects."""
        return urljoin(self.address, self.headers["Location"])

    @property
    def code(self) -> str:
        """The operator's code on a page that refuses."""
        found = re.search(r"<code>LTI/([a-z0-9-]+)", self.text)
        return found[1] if found else ""


Fields = Mapping[str, str | Sequence[str]] | list[tuple[str, str]] | bytes


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag in ("input", "button") and self.forms and given.get("name"):
            chosen = given.get("type") not in ("checkbox", "radio") or "checked" in given
            if chosen and tag == "input":
                self.forms[-1].fields[given["name"]] = given.get("value", "")


class Browser:
    """One browser profile: its cookies per host."""

    def __init__(self) -> None:
        self.cookies: dict[str, dict[str, str]] = {}
        self.set_cookies: list[str] = []
        self._session = requests.Session()
        self._session.trust_env = False

    def get(
        self, address: str, *, headers: Mapping[str, str] | None = None, follow: bool = True
    ) -> Page:
        return self._ask("GET", address, None, headers, follow)

    def post(
        self,
        address: str,
        fields: Fields,
        *,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> Page:
        return self._ask("POST", address, fields, headers, follow)

    def submit(self, page: Page, **more: str) -> Page:
        """Sends the page's last form, with more fields or others."""
        form = page.forms[-1]
        address = urljoin(page.address, form.action or page.address)
        if form.method == "post":
            return self.post(address, {**form.fields, **more})
        query = requests.models.PreparedRequest()
        query.prepare_url(address, {**form.fields, **more})
        return self.get(str(query.url))

    def close(self) -> None:
        self._session.close()

    def _ask(
        self,
        method: str,
        address: str,
        fields: Fields | None,
        given: Mapping[str, str] | None,
        follow: bool,
    ) -> Page:
        headers = dict(given or {})
        for _ in range(10):
            kept = self.cookies.get(_host(address), {})
            if kept:
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
            else:
                headers.pop("Cookie", None)
            self._session.cookies.clear()
            answer = self._session.request(
                method,
                address,
                data=fields,
                headers=headers,
                allow_redirects=False,
                timeout=120,
            )
            self._keep(address, answer)
            if not follow or answer.status_code not in (301, 302, 303, 307):
                break
            address = urljoin(address, answer.headers["Location"])
            if answer.status_code != 307:
                method, fields = "GET", None
        parser = _Forms()
        parser.feed(answer.text)
        return Page(answer.status_code, address, answer.headers, answer.text, parser.forms)

    def _keep(self, address: str, answer: requests.Response) -> None:
        kept = self.cookies.setdefault(_host(address), {})
        for line in answer.raw.headers.getlist("Set-Cookie"):
            self.set_cookies.append(line)
            pair, _, rest = line.partition(";")
            name, _, value = pair.partition("=")
            if re.search(r"max-age=0\b", rest, re.IGNORECASE) or "01 Jan 1970" in rest:
                kept.pop(name.strip(), None)
            else:
                kept[name.strip()] = value.strip()


def _host(address: str) -> str:
    return address.split("/")[2]
