"""A visitor of the pages on connections: looks at forms, fills them in, sends them as a browser
does."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser

import requests
from sqlalchemy import func, select

from lms_bridge.domain.clock import utc_now
from lms_bridge.lti import registrations
from lms_bridge.lti.connect_links import make_connect_link
from lms_bridge.lti.nonces import Nonces
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store.lti_tables import nonce
from tests.integration.lti_platform.world import World

OWN_FORM = {"Sec-Fetch-Site": "same-origin"}
"""What Chromium says of a form that a page sends to its own site."""


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: text or "" for name, text in attrs}
        if tag == "form":
            self.forms.append(Form(given["action"]))
        elif tag in ("input", "textarea") and given.get("name"):
            form, name = self.forms[-1], given["name"]
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            form.fields[name] = given.get("value", "on" if tag == "input" else "")
            if "aria-invalid" in given:
                form.wrong.add(name)
            self._in = name if tag == "textarea" else ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.forms[-1].fields[self._in] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._in = ""


def form_to(page: requests.Response, ending: str) -> Form:
    """The form on a page whose action ends like that, less the place on the page."""
    forms = _Forms()
    forms.feed(page.text)
    (found,) = [each for each in forms.forms if each.action.partition("#")[0].endswith(ending)]
    return found


def values_on(page: requests.Response, beginning: str) -> dict[str, str]:
    """{label: value} of the values for copying whose ids begin like that."""
    pattern = rf'<dt>([^<]*)</dt><dd><code id="{beginning}-\d+" dir="ltr">([^<]*)</code>'
    return {html.unescape(a): html.unescape(b) for a, b in re.findall(pattern, page.text)}


def goes_to(page: requests.Response) -> str:
    """Where a page leads on to by itself."""
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


@dataclass
class Visitor:
    """``link`` is the connect link of a centre's administrator."""

    world: World
    link: str

    def look(self) -> requests.Response:
        page = requests.get(self.link, timeout=120)
        assert page.status_code == 200, page.text
        return page

    def send(
        self, ending: str, fields: Mapping[str, str] | None = None, **headers: str
    ) -> requests.Response:
        """Fills in the form of the page, and sends it; redirects are followed."""
        form = form_to(self.look(), ending)
        return requests.post(
            self.world.address + form.action.partition("#")[0],
            data={**form.fields, **(fields or {})},
            # The page sends no referrer: its forms have no origin (Fetch, section 3.2).
            headers={"Origin": "null", **OWN_FORM, **headers},
            timeout=120,
        )


@dataclass
class Operator:
    """An operator who is signed in."""

    world: World

    def look(self, path: str = "", status: int = 200) -> requests.Response:
        page = self.world.operator.get(f"{self.world.address}/connections{path}", timeout=120)
        assert page.status_code == status, page.text
        return page

    def send(
        self,
        path: str,
        ending: str,
        fields: Mapping[str, str | None] | None = None,
        **headers: str,
    ) -> requests.Response:
        """Fills in a form of the page at that path; fields that are None are left out."""
        form = form_to(self.look(path), ending)
        given = {**form.fields, **(fields or {})}
        return self.world.operator.post(
            self.world.address + form.action,
            data={name: text for name, text in given.items() if text is not None},
            headers={"Origin": self.world.address, **OWN_FORM, **headers},
            timeout=120,
        )


def visitor(world: World, centre: str = "TWO") -> Visitor:
    return Visitor(world, make_connect_link(world.lti, centre))


def old_link(world: World, hours: float) -> str:
    """A link that was made so many hours ago."""

    def then() -> datetime:
        return utc_now() - timedelta(hours=hours)

    lti = replace(world.lti, nonces=Nonces(world.lti.database, then))
    return make_connect_link(lti, "TWO")


def newest(world: World) -> LtiRegistration:
    with world.bridge.database.reading() as tx:
        return registrations.all_registrations(tx)[-1]


def rows(world: World) -> dict[str, int]:
    """Rows of every table, those that may be used once included."""
    with world.bridge.database.reading() as tx:
        kept = tx.scalar(select(func.count()).select_from(nonce)) or 0
    return {**world.counts(), nonce.name: kept}
