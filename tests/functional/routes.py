"""Every page of the route map, with an address in the demo's data for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode, urljoin, urlsplit

from playwright.sync_api import APIRequestContext, APIResponse
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

_LINK = re.compile(r'href="([^"#]+)')
_MACHINES = ("/api/v1", "/oeapi/", "/lti/services/", "/sitemaps/", "/static/")
DOORS = ("lti_tool.", "lti_platform.", "sign_in.")
"""Steps of a launch or a sign-in: alone they refuse, and say so on a page."""
FORMS = {"connections.show_offering": "code"}
"""Pages that only a form leads to: {endpoint: its field, for the code of an offering}."""
SECRETS = frozenset({"token", "secret"})
"""Parts of addresses that no page shows: a wrong one leads to the page that says so."""


FIRST = {"/operations/where/": 1, "/holds/": 1}
"""Things to which only a form leads, or no link once somebody decided about them."""


@dataclass
class Routes:
    """The pages that one person after another can open. ``found`` is {endpoint: path}. ``things``
    are those that addresses name, by the words before."""

    map: Map
    site: str
    found: dict[str, str] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    things: dict[str, object] = field(default_factory=lambda: dict(FIRST))
    others: set[str] = field(default_factory=set)
    _tried: set[str] = field(default_factory=set)

    def opened(self, client: APIRequestContext) -> dict[str, str]:
        """{endpoint: path} of the pages that this person opens and nobody before could."""
        before, known = set(self.found), -1
        self._tried.clear()  # whoever came before may not have been allowed to see it
        while known < len(self.found):  # a page may be linked only from another one
            known = len(self.found)
            for rule in self._left():
                for path in self._paths(rule) - self._tried:
                    self._tried.add(path)
                    self._open(client, rule, path)
        return {each: path for each, path in self.found.items() if each not in before}

    def missing(self) -> set[str]:
        return {rule.endpoint for rule in self._left()}

    def _left(self) -> Iterator[Rule]:
        for rule in self.map.iter_rules():
            is_page = "GET" in (rule.methods or ()) and not rule.rule.startswith(_MACHINES)
            if (
                is_page
                and not rule.rule.endswith("/static/<path:filename>")
                and rule.endpoint not in self.found
                and rule.endpoint not in self.others
            ):
                yield rule

    def _paths(self, rule: Rule) -> set[str]:
        """Where the page may be: where a link leads, or about the things of other pages."""
        linked = {self.linked[rule.endpoint]} if rule.endpoint in self.linked else set()
        if rule.endpoint in FORMS:
            code = self.things.get("/catalogue/")
            return {f"{rule.rule}?{urlencode({FORMS[rule.endpoint]: code})}"} if code else set()
        if linked and rule.arguments:
            return linked
        values = {
            name: "unknown" if name in SECRETS else self.things.get(_before(rule, name))
            for name in rule.arguments
        }
        if None in values.values():
            return linked
        return linked | {self.map.bind("localhost").build(rule.endpoint, values)}

    def _open(self, client: APIRequestContext, rule: Rule, path: str) -> None:
        if rule.endpoint in self.found:
            return
        answer = client.get(self.site + path, max_redirects=0)
        if not answer.headers.get("content-type", "").startswith("text/html"):
            if answer.status < 300:
                self.others.add(rule.endpoint)  # a feed, a file, a picture
            return
        is_door = rule.endpoint.startswith(DOORS) or bool(SECRETS & set(rule.arguments))
        is_fault = answer.status >= 500  # what is wrong with its page is said then
        if answer.status == 200 or is_fault or (is_door and 400 <= answer.status < 500):
            self.found[rule.endpoint] = path
            self._keep_links(answer, path)

    def _keep_links(self, answer: APIResponse, path: str) -> None:
        adapter = self.map.bind("localhost")
        for link in _LINK.findall(answer.text()):
            address = urlsplit(urljoin(self.site + path, unescape(link)))
            if not self.site.endswith(address.netloc):
                continue
            try:
                rule, values = adapter.match(address.path, return_rule=True)
            except HTTPException:
                continue
            query = f"?{address.query}" if address.query else ""
            self.linked.setdefault(rule.endpoint, address.path + query)
            for name, value in values.items():
                self.things.setdefault(_before(rule, name), value)


def _before(rule: Rule, name: str) -> str:
    """What an address has before a part: parts after the same words are things of one kind."""
    return re.split(rf"<[^<>]*\b{name}>", rule.rule)[0]
