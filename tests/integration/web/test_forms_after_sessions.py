"""Every form of the route map into which people write opens again with what they wrote, if they
sent it after their session had ended. A new form is in one of the two lists, or the test fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from lms_bridge.domain.access import EVERYTHING, DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import EnrolmentStatus, OfferingStatus
from lms_bridge.domain.roles import Role
from lms_bridge.settings import Settings
from lms_bridge.store.account_tables import web_session
from lms_bridge.store.registration_forms import set_questions
from tests.integration.accounts.browser import ORIGIN, account, link, signed_in
from tests.integration.api.world import World, enrol, offering, open_world

ONE, AFRICA = DataScope(centre="ONE"), DataScope(region="africa")
DESK = "/my-centre/ONE"
KEPT = {
    "centre_desk.act": (Role.COORDINATOR, ONE, f"{DESK}/offerings/ONE-open/act?action=postpone"),
    "centre_desk.edit": (Role.COORDINATOR, ONE, f"{DESK}/offerings/ONE-open/edit"),
    "centre_desk.send_outline": (Role.COORDINATOR, ONE, f"{DESK}/offerings/ONE-planned/outline"),
    "centre_desk.send_report": (Role.COORDINATOR, ONE, f"{DESK}/offerings/ONE-over/report"),
    "centre_desk.make": (Role.COORDINATOR, ONE, f"{DESK}/offerings/new"),
    "centre_desk.set_all_questions": (Role.COORDINATOR, ONE, f"{DESK}/questions/ONE-open"),
    "centre_desk.enter_all": (Role.INSTRUCTOR, ONE, f"{DESK}/results/ONE-open"),
    "my.do_register": (None, EVERYTHING, "/offerings/ONE-open/register"),
    "reviews.decide": (Role.FOCAL_POINT, AFRICA, "/reviews/of/TWO-sent"),
    "accounts.make": (Role.OPERATOR, EVERYTHING, "/accounts"),
    "tokens.make": (Role.OPERATOR, EVERYTHING, "/tokens"),
    "own_account.change": (None, EVERYTHING, "/account"),
}
"""{endpoint: who opens its page, and where}"""
NOTHING_WRITTEN = {
    "a button or boxes to tick": """accounts.disable accounts.enable accounts.make_link
        accounts.revoke centre_desk.act_on centre_desk.apply_upload centre_desk.check_lms
        centre_desk.discard_upload checks.begin connections.approve connections.choose
        connections.make_link connections.reject connections.remove_deployment
        connections.replace_one decisions.match
        decisions.retry decisions.run decisions.switch holds.decide holds.decide_many my.do_withdraw
        my.end_calendar my.launch my.make_calendar own_account.end_others people.accept
        people.apply_file people.discard_file tokens.revoke webhooks.enable webhooks.ping
        webhooks.resend sign_in.sign_out""",
    "a file, which is still where it was": """centre_desk.send_results centre_desk.send_upload
        people.send_file""",
    "secrets, which are never kept": """own_account.confirm_factor own_account.remove_factor
        own_account.set_password own_account.start_factor""",
    "one word": "centre_desk.appoint_teacher connections.add_deployment whereabouts.search",
}
NOTE = "This is what you wrote before your session ended."


@dataclass
class Form:
    action: str
    fields: list[tuple[str, dict[str, str]]] = field(default_factory=list)


class Forms(HTMLParser):
    """The forms of a page, with the fields of each as (name, attributes with ``value``)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open: dict[str, str] | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            is_sent = given.get("method", "").lower() == "post"
            self.found.append(Form(given.get("action", "") if is_sent else ""))
        elif tag in ("input", "textarea", "select") and self.found and "name" in given:
            given.setdefault("value", "")
            given["tag"] = tag
            self.found[-1].fields.append((given["name"], given))
            self._open = given
        elif tag == "option" and self._open is not None:
            self._open["options"] = f"{self._open.get('options', '')}\n{given.get('value', '')}"
            if "selected" in given:
                self._open["value"] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._open is not None and self._open["tag"] == "textarea":
            self._open["value"] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select"):
            if self._open is not None and tag == "textarea":
                self._open["value"] = self._open["value"].removeprefix("\n")
            self._open = None


def form_of(browser: FlaskClient, path: str, endpoint: str) -> Form:
    page = browser.get(path)
    assert page.status_code == 200, (endpoint, page.status_code)
    urls = browser.application.url_map.bind("")
    for each in Forms(page.text).found:
        where = each.action.partition("?")[0]
        if where and urls.test(where, "POST") and urls.match(where, "POST")[0] == endpoint:
            return each
    raise AssertionError(f"{path} has no form for {endpoint}")


TYPED = {
    "email": "typed@example.org",
    "url": "https://typed.example.org/",
    "number": "7",
    "date": "2041-02-03",
    "datetime-local": "2041-02-03T04:05",
}


def typed(form: Form) -> Iterator[tuple[str, str]]:
    """What a person writes: another value in each field."""
    radios: set[str] = set()
    for name, given in form.fields:
        kind = given.get("type", "text")
        if kind == "hidden":
            yield name, given["value"]
        elif kind == "radio":
            if name not in radios:
                yield name, given["value"]
            radios.add(name)
        elif kind == "checkbox":
            yield name, given["value"] or "on"
        elif given["tag"] == "select":
            options = given.get("options", "").split("\n")[1:]
            yield name, next((each for each in options if each != given["value"]), given["value"])
        else:
            text = TYPED.get(kind, "41" if given.get("inputmode") else f"Typed <{name}>")
            yield name, text[: int(given.get("maxlength", "99"))]


def shown(form: Form) -> set[tuple[str, str]]:
    return {
        (name, given["value"] or ("on" if given.get("type") == "checkbox" else ""))
        for name, given in form.fields
        if given.get("type") not in ("radio", "checkbox") or "checked" in given
    }


def without_factor(settings: Settings) -> Settings:
    return replace(settings, sign_in=replace(settings.sign_in, second_factor=False))


@pytest.fixture
def world(sqlite_address: str) -> Iterator[World]:
    made = open_world(sqlite_address, without_factor)
    made.add(offering("ONE-over", status=OfferingStatus.DELIVERED))
    made.add(offering("TWO-sent", status=OfferingStatus.PLANNED))
    assert made.post("/offerings/TWO-sent/submit", made.token()).status_code == 200
    enrol(made, "ONE-open", "L1", EnrolmentStatus.ENROLLED)
    with made.bridge.database.writing() as tx:
        set_questions(tx, made.ids["ONE-open"], ("Why this course?",))
    yield made
    made.bridge.close()


def test_every_form_is_kept_or_holds_nothing_that_somebody_wrote(world: World) -> None:
    app = world.client.application
    of_pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ())
        and not rule.rule.startswith(("/api/", "/lti/", "/sign-in/", "/connect/"))
    }
    known = set(KEPT) | set(" ".join(NOTHING_WRITTEN.values()).split())
    assert of_pages == known
    for endpoint in of_pages:
        keeps = hasattr(app.view_functions[endpoint], "lms_bridge_keeps_form")
        assert keeps == (endpoint in KEPT), endpoint


@pytest.mark.parametrize("endpoint", KEPT)
def test_a_form_sent_after_the_session_opens_again_with_every_word(
    world: World, endpoint: str
) -> None:
    role, reach, path = KEPT[endpoint]
    app, database = world.client.application, world.bridge.database
    person = account(database, "typed-by@example.org", role, reach)
    browser = signed_in(app, database, person)
    form = form_of(browser, path, endpoint)
    written = list(typed(form))
    with database.writing() as tx:
        tx.execute(update(web_session).values(seen_at=utc_now() - timedelta(days=1)))
    fields: dict[str, list[str]] = {}
    for name, text in written:
        fields.setdefault(name, []).append(text)
    answer = browser.post(form.action, data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert "Your text is kept for an hour." in answer.text
    entered = browser.get(link(app, database, person))
    again = browser.post(
        link(app, database, person), data=dict(_token(entered.text)), headers={"Origin": ORIGIN}
    )
    where = again.headers["Location"]
    assert NOTE in browser.get(where).text
    lost = {each for each in written if each[0] != "csrf_token"} - shown(
        form_of(browser, where, endpoint)
    )
    assert lost == set()


def _token(page: str) -> Iterator[tuple[str, str]]:
    for form in Forms(page).found:
        for name, given in form.fields:
            if name == "csrf_token":
                yield name, given["value"]
