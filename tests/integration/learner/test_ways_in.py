"""How a learner is known: by a stable id; by an address alone only where a setting says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from lms_bridge.accounts import service
from lms_bridge.accounts.feature import accounts_of
from lms_bridge.accounts.service import find_account
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Learner
from lms_bridge.domain.roles import Role
from lms_bridge.store import learners
from lms_bridge.store.account_tables import web_session
from lms_bridge.store.accounts import set_learner
from lms_bridge.store.database import Database
from lms_bridge.web import sessions
from lms_bridge.web.access import User
from lms_bridge.web.sessions import Session
from tests.integration.accounts.browser import BY, account, send
from tests.integration.accounts.conftest import MakeApp
from tests.integration.accounts.test_mail import Box, ask, post_office
from tests.integration.accounts.test_provider import SECRET, begin, come_back, sign_in_there
from tests.integration.accounts.test_provider import issuer as issuer
from tests.integration.lti_chain.chain import Chain
from tests.integration.lti_chain.conftest import chain as chain
from tests.integration.lti_platform.waiting import until
from tests.integration.web.filling import fill
from tests.peers.browser import Page
from tests.peers.platform import LTI


def test_a_session_of_nobody_cannot_be_made(sqlite_database: Database, app: Flask) -> None:
    limits = app.extensions["lms_bridge"].settings.sign_in
    with sqlite_database.writing() as tx, pytest.raises(ValueError, match="needs"):
        sessions.open_session(tx, "nobody", None, limits, utc_now(), half=False)


def test_a_learners_session_has_no_role() -> None:
    now = utc_now()
    session = Session(1, "learner 1", None, 1, False, now, now, now, now)
    assert User(session, None).grants == ()


# ---- a launch by the Academy's platform --------------------------------------------------------


def own_page(chain: Chain, learner: str = "acad-1", **options: object) -> Page:
    def change(claims: dict[str, object]) -> None:
        claims["sub"] = learner
        claims[f"{LTI}custom"] = {"page": "my"}

    return chain.click(change=change, **options)  # type: ignore[arg-type]  # tests' own options


def link_in(page: Page) -> str:
    found = re.search(r'href="(/sign-in/[^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


@pytest.mark.parametrize("frame", [True, False])
def test_a_launch_by_the_academy_opens_the_learners_own_page(chain: Chain, frame: bool) -> None:
    page = own_page(chain, frame=frame)
    assert page.status == 200
    address, path = chain.world.address, link_in(page)
    shown = chain.browser.get(f"{address}{path}")
    assert shown.status == 200
    before = _sessions(chain)
    answer = chain.browser.post(f"{address}{path}", {}, headers={"Origin": address}, follow=False)
    assert (answer.status, answer.goes_to) == (303, f"{address}/my")
    assert _sessions(chain) != before, "the session has a new secret"
    mine = chain.browser.get(f"{address}/my")
    assert mine.status == 200
    assert "Mes cours" in mine.text  # the learner's language at the Academy
    assert chain.browser.get(f"{address}/runs").status == 403
    again = chain.browser.get(f"{address}{path}")
    assert "This link signs in" not in again.text


def test_a_newer_launch_ends_the_link_of_an_older_one(chain: Chain) -> None:
    older, newer = link_in(own_page(chain)), link_in(own_page(chain))
    assert chain.browser.get(f"{chain.world.address}{older}").status == 404
    assert chain.browser.get(f"{chain.world.address}{newer}").status == 200


def test_a_centres_platform_opens_nobodys_own_page(chain: Chain) -> None:
    chain.change_registration(centre="ONE")
    page = own_page(chain)
    assert (page.status, page.code) == (403, "page-elsewhere")
    assert _sessions(chain) == []


def test_a_learner_whose_account_is_disabled_gets_no_session(chain: Chain) -> None:
    disabled_account(chain.world.bridge.database, chain.world.ids["acad-1"])
    page = own_page(chain)
    assert (page.status, page.code) == (403, "account-disabled")
    assert _sessions(chain) == []


def disabled_account(database: Database, learner: int) -> None:
    whose = account(database, role=None)
    with database.writing() as tx:
        set_learner(tx, whose.number, learner)
    service.disable_account(database, whose.number, by=BY)


def test_somebody_whom_the_bridge_does_not_know_gets_no_session(chain: Chain) -> None:
    page = own_page(chain, "nobody-yet")
    assert (page.status, page.code) == (403, "person-unknown")
    assert _sessions(chain) == []


def _sessions(chain: Chain) -> list[bytes]:
    """The digests of all links and sessions."""
    with chain.world.bridge.database.reading() as tx:
        return list(tx.scalars(select(web_session.c.digest)))


# ---- an OpenID provider ----------------------------------------------------------------------


@pytest.fixture
def provided(
    make_app: MakeApp, sqlite_database: Database, sqlite_address: str, issuer: str
) -> Flask:
    fill(sqlite_database)
    return make_app(
        sqlite_address,
        PROVIDER__ISSUER=issuer,
        PROVIDER__CLIENT_ID="bridge",
        PROVIDER__CLIENT_SECRET=SECRET,
        PROVIDER__NAME="Sample University",
        PROVIDER__LEARNER_CLAIM="sub",
    )


def test_a_claim_of_the_provider_names_the_learner(provided: Flask) -> None:
    browser = provided.test_client()
    answer = come_back(browser, sign_in_there(begin(browser), "L0"))
    assert answer.status_code == 303, answer.text
    assert "Sample Centre Nairobi" in browser.get("/my").text
    assert browser.get("/runs").status_code == 403


def test_a_claim_opens_no_session_of_a_disabled_account(
    provided: Flask, sqlite_database: Database
) -> None:
    with sqlite_database.reading() as tx:
        number, _ = learners.learners_by_academy_id(tx, ["L0"])["L0"]
    disabled_account(sqlite_database, number)
    browser = provided.test_client()
    answer = come_back(browser, sign_in_there(begin(browser), "L0"))
    assert answer.status_code == 403
    assert "disabled" in answer.text


def test_a_claim_that_names_nobody_opens_nothing(
    provided: Flask, sqlite_database: Database
) -> None:
    with sqlite_database.writing() as tx:
        made_by_a_centre = Learner("AFR~7", "Given", "Family", "seven@example.org")
        learners.add_learners(tx, [made_by_a_centre])
    for name in ("nobody", "AFR~7"):
        browser = provided.test_client()
        assert come_back(browser, sign_in_there(begin(browser), name)).status_code == 403
        assert browser.get("/my").status_code == 401


# ---- a local account that people make for themselves -------------------------------------------


@pytest.fixture
def posted(
    make_app: MakeApp, sqlite_database: Database, sqlite_address: str
) -> Iterator[tuple[MakeApp, dict[str, str], Box]]:
    fill(sqlite_database)
    with post_office() as (box, port):
        mail = {
            "MAIL__HOST": "127.0.0.1",
            "MAIL__PORT": port,
            "MAIL__SECURITY": "none",
            "MAIL__SENDER": "bridge@bridge.example",
            "SIGN_IN__OWN_ACCOUNTS": "true",
        }
        yield make_app, mail, box


def mailed_path(box: Box) -> str:
    _, message = box.next()
    found = re.search(r"http://127\.0\.0\.1:8000(/sign-in/\S+)", message.get_content())
    assert found is not None
    return found[1]


def test_a_person_makes_an_account_once_by_a_mailed_link(
    posted: tuple[MakeApp, dict[str, str], Box], sqlite_address: str, sqlite_database: Database
) -> None:
    make, mail, box = posted
    app = make(sqlite_address, **mail)
    browser = app.test_client()
    assert ask(browser, "New@Example.org") == ask(app.test_client(), "no address")
    path = mailed_path(box)
    assert "new@example.org" not in path
    assert "new@example.org" in browser.get(path).text
    with sqlite_database.reading() as tx, pytest.raises(Exception, match="no such account"):
        find_account(tx, "new@example.org")
    assert send(browser, path).status_code == 303
    assert browser.get("/my").status_code == 200
    assert browser.get("/runs").status_code == 403
    # Whoever the link was forwarded to gets nothing by it.
    other = app.test_client()
    assert send(other, path).status_code == 404
    assert other.get("/my").status_code == 401
    assert send(app.test_client(), f"{path[:-3]}AAA").status_code == 404


def test_an_address_is_no_proof_unless_a_setting_says_so(
    posted: tuple[MakeApp, dict[str, str], Box], sqlite_address: str
) -> None:
    make, mail, box = posted
    app = make(sqlite_address, **mail)
    browser = app.test_client()
    ask(browser, "person0@example.org")
    send(browser, mailed_path(box))
    assert "Sample Centre Nairobi" not in browser.get("/my").text


def test_with_the_setting_an_address_is_the_one_learner_who_has_it(
    posted: tuple[MakeApp, dict[str, str], Box], sqlite_address: str, sqlite_database: Database
) -> None:
    make, mail, box = posted
    app = make(sqlite_address, **mail, SIGN_IN__LEARNERS_BY_EMAIL="true")
    with sqlite_database.writing() as tx:
        learners.add_learners(tx, [Learner("L9", "Given", "Family", "person1@example.org")])
        (taken,) = learners.learners_by_email(tx, "person2@example.org")
    staff = account(sqlite_database, "staff@example.org", Role.OPERATOR)
    with sqlite_database.writing() as tx:
        set_learner(tx, staff.number, taken)
    for email, known in (
        ("person0@example.org", True),
        ("person1@example.org", False),  # two learners have it
        ("person2@example.org", False),  # the learner has another account
    ):
        browser = app.test_client()
        ask(browser, email)
        send(browser, mailed_path(box))
        assert ("Sample Centre Nairobi" in browser.get("/my").text) is known, email


def test_a_stranger_cannot_fill_a_mailbox(
    posted: tuple[MakeApp, dict[str, str], Box], sqlite_address: str, sqlite_database: Database
) -> None:
    make, mail, box = posted
    app = make(sqlite_address, **mail)
    account(sqlite_database, "known@example.org", Role.OPERATOR)
    for _ in range(6):
        ask(app.test_client(), "victim@example.org")
    ask(app.test_client(), "known@example.org")
    to = [box.next()[0] for _ in range(4)]
    assert to.count(["victim@example.org"]) == 3
    assert ["known@example.org"] in to
    assert box.empty


MANY_SPELLINGS = (
    "victim\u2474@example.org",  # "(1)" in its plain form: a comment of a header
    "victim@exam\u2474ple.org",
    "victim\u037a@example.org",  # a blank and a letter
    "victim\uff0cother@example.org",  # a comma
    "=?utf-8?q?victim=40example.org=2c_x?=@example.org",
    "=?utf-8?q?=0aBcc=3a_victim?=@example.org",
)


def test_a_link_is_mailed_to_no_address_that_mail_programs_read_in_another_way(
    posted: tuple[MakeApp, dict[str, str], Box], sqlite_address: str
) -> None:
    make, mail, box = posted
    app = make(sqlite_address, **mail)
    for spelling in (*MANY_SPELLINGS, "new@example.org"):
        ask(app.test_client(), spelling)
    assert box.next()[0] == ["new@example.org"]
    until(lambda: accounts_of(app).mailer.idle)
    assert box.empty


def test_without_the_setting_nobody_makes_an_account(app: Flask, sqlite_database: Database) -> None:
    token = app.extensions["lms_bridge_accounts"].own_accounts.token("a@example.org", utc_now())
    assert send(app.test_client(), f"/sign-in/new/{token}").status_code == 404
