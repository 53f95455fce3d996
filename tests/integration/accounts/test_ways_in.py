"""Links, passwords and second factors: what lets a person in, and what does not."""

from __future__ import annotations

import threading
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, select, update

from lms_bridge.accounts import authentication, passwords, service
from lms_bridge.audit import Actor
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.roles import Role
from lms_bridge.store import account_tables
from lms_bridge.store.database import Database
from tests.integration.accounts.browser import (
    BY,
    PASSWORD,
    account,
    hidden,
    link,
    secret_of,
    send,
    signed_in,
)
from tests.integration.accounts.conftest import MakeApp
from tests.integration.web.filling import fill
from tests.made_once import COSTLY_HASHER

OF_AFR = DataScope(centre="AFR")


def test_a_link_signs_the_account_in_once(
    make_app: MakeApp, database: Database, database_address: str
) -> None:
    fill(database)
    app = make_app(database_address)
    amina = account(database, reach=OF_AFR)
    path, browser = link(app, database, amina), app.test_client()
    assert "Sample Amina" in browser.get(path).text
    assert browser.get("/runs").status_code == 401
    answer = send(browser, path)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs")
    page = browser.get("/account")
    assert "Sample Amina" in page.text
    assert "coordinator (centre AFR)" in page.text
    assert send(app.test_client(), path).status_code == 404


def with_password(app: Flask, database: Database, email: str = "amina@example.org") -> None:
    amina = account(database, email, reach=OF_AFR)
    browser = signed_in(app, database, amina)
    answer = send(browser, "/account/password", {"new": PASSWORD})
    assert answer.status_code == 303


def by_password(browser: FlaskClient, password: str, email: str = "amina@example.org") -> int:
    form = {"email": email, "password": password}
    return send(browser, "/sign-in/password", form).status_code


def test_a_password_signs_in_and_a_wrong_one_does_not(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the costs of earnest: RFC 9106, section 4, second option."""
    monkeypatch.setattr(passwords, "_HASHER", COSTLY_HASHER)
    with_password(app, sqlite_database)
    browser = app.test_client()
    assert by_password(browser, "another password") == 403
    assert browser.get("/runs").status_code == 401
    assert by_password(browser, PASSWORD, " AMINA@example.org") == 303
    assert browser.get("/runs").status_code == 200
    with sqlite_database.reading() as tx:
        kept = tx.scalar(select(account_tables.account.c.password))
    assert kept is not None
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in kept


def test_the_refusal_does_not_tell_whether_there_is_an_account(
    app: Flask, sqlite_database: Database
) -> None:
    with_password(app, sqlite_database)
    account(sqlite_database, "boris@example.org", reach=OF_AFR)  # without a password
    pages = set()
    for email in ("amina@example.org", "boris@example.org", "nobody@example.org", "", "1"):
        form = {"email": email, "password": "another password"}
        answer = send(app.test_client(), "/sign-in/password", form)
        assert answer.status_code == 403
        page = answer.text.replace(f'value="{email}"', "")
        pages.add(page.rpartition("Reference")[0])
    assert len(pages) == 1


def test_a_wrong_password_costs_the_same_writes_where_there_is_no_account(
    app: Flask, sqlite_database: Database
) -> None:
    """Else the time would tell: a writer may have to wait for others."""
    with_password(app, sqlite_database)
    done: list[str] = []

    def note(*given: object) -> None:
        done.append(str(given[2]).partition(" ")[0])

    costs = []
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for email in ("amina@example.org", "nobody-at-all@example.org"):
            done.clear()
            assert by_password(app.test_client(), "another password", email) == 403
            costs.append([each for each in done if each != "SELECT"])
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert costs == [["UPDATE"], ["UPDATE"]]


def test_wrong_passwords_make_the_next_one_wait_and_a_link_still_works(
    app: Flask, sqlite_database: Database
) -> None:
    with_password(app, sqlite_database)
    browser = app.test_client()
    for _ in range(authentication.FREE_TRIES):
        assert by_password(browser, "another password") == 403
    assert by_password(browser, PASSWORD) == 503
    with sqlite_database.reading() as tx:
        amina = service.find_account(tx, "amina@example.org")
    assert signed_in(app, sqlite_database, amina).get("/runs").status_code == 200
    with sqlite_database.writing() as tx:
        earlier = utc_now() - timedelta(seconds=authentication.LONGEST_WAIT)
        tx.execute(update(account_tables.account).values(failed_at=earlier))
    assert by_password(browser, PASSWORD) == 303


def test_wrong_tries_of_an_address_without_an_account_wait_as_long(
    app: Flask, sqlite_database: Database
) -> None:
    with_password(app, sqlite_database)
    browser = app.test_client()
    answers = {
        email: [by_password(browser, "another password", email) for _ in range(8)]
        for email in ("amina@example.org", "no-account-waits@example.org")
    }
    first, second = answers.values()
    assert first == second
    assert first[0] == 403
    assert first[-1] == 503


def test_many_passwords_at_once_leave_threads_to_others(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few passwords are checked at once, few wait, and the others are refused at once."""
    with_password(app, sqlite_database)
    busy = threading.BoundedSemaphore(passwords.AT_ONCE)
    for _ in range(passwords.AT_ONCE):
        busy.acquire()
    monkeypatch.setattr(passwords, "_places", busy)
    monkeypatch.setattr(passwords, "_waiting", threading.BoundedSemaphore(2))
    answers: list[int] = []
    waiting = [
        threading.Thread(
            target=lambda: answers.append(by_password(app.test_client(), PASSWORD)), daemon=True
        )
        for _ in range(2)
    ]
    for each in waiting:
        each.start()
    while passwords._waiting._value:  # until both wait
        pass
    assert by_password(app.test_client(), PASSWORD) == 503
    assert answers == []
    for _ in range(passwords.AT_ONCE):
        busy.release()
    for each in waiting:
        each.join()
    assert answers == [303, 303]


def test_a_password_has_a_least_length_and_its_change_needs_the_old_one(
    app: Flask, sqlite_database: Database
) -> None:
    with_password(app, sqlite_database)
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 303
    for form, words in (
        ({"old": PASSWORD, "new": "short"}, "12 to 200 characters"),
        ({"old": "another password", "new": "five other words of a sample"}, "is another one"),
        ({"new": "five other words of a sample"}, "is another one"),
    ):
        answer = send(browser, "/account/password", form)
        assert answer.status_code == 400
        assert words in answer.text
    assert by_password(app.test_client(), PASSWORD) == 303


def test_a_new_password_ends_the_other_sessions(app: Flask, sqlite_database: Database) -> None:
    with_password(app, sqlite_database)
    one, other = app.test_client(), app.test_client()
    assert by_password(one, PASSWORD) == by_password(other, PASSWORD) == 303
    form = {"old": PASSWORD, "new": "five other words of a sample"}
    assert send(one, "/account/password", form).status_code == 303
    assert one.get("/account").status_code == 200
    assert other.get("/account").status_code == 401


def set_up_factor(browser: FlaskClient) -> pyotp.TOTP:
    page = send(browser, "/account/factor/new")
    sealed = hidden(page, "secret")
    key = page.text.partition('Key: <code dir="ltr">')[2].partition("<")[0]
    assert "<svg" in page.text
    codes = pyotp.TOTP(key)
    wrong = send(browser, "/account/factor", {"secret": sealed, "code": "000 00"})
    assert wrong.status_code == 400
    sent = send(browser, "/account/factor", {"secret": sealed, "code": codes.now()})
    assert sent.status_code == 303
    return codes


def test_a_second_factor_is_asked_for_and_no_code_is_good_twice(
    app: Flask, sqlite_database: Database
) -> None:
    with_password(app, sqlite_database)
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 303
    codes = set_up_factor(browser)
    used = codes.now()
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 303
    before = secret_of(browser)
    for path in ("/runs", "/account"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in/code")
    assert send(browser, "/account/sessions/end").status_code == 303
    assert send(browser, "/sign-in/code", {"code": used}).status_code == 403
    for wrong in ("", "123", "abcdef", "١٢٣٤٥٦"):
        assert send(browser, "/sign-in/code", {"code": wrong}).status_code == 403
    with sqlite_database.writing() as tx:
        tx.execute(update(account_tables.account).values(totp_period=0, wrong_codes=0))
    assert send(browser, "/sign-in/code", {"code": codes.now()}).status_code == 303
    assert secret_of(browser) != before
    assert browser.get("/runs").status_code == 200
    old = app.test_client()
    old.set_cookie("lms_bridge_session", before)
    assert old.get("/runs").status_code == 401


def test_a_link_asks_for_the_second_factor_too(app: Flask, sqlite_database: Database) -> None:
    amina = account(sqlite_database, reach=OF_AFR)
    set_up_factor(signed_in(app, sqlite_database, amina))
    browser = signed_in(app, sqlite_database, amina)
    assert browser.get("/runs").headers["Location"] == "/sign-in/code"


def test_a_key_of_another_account_is_not_confirmed(app: Flask, sqlite_database: Database) -> None:
    amina = account(sqlite_database, reach=OF_AFR)
    boris = account(sqlite_database, "boris@example.org", reach=OF_AFR)
    page = send(signed_in(app, sqlite_database, amina), "/account/factor/new")
    sealed = hidden(page, "secret")
    other = signed_in(app, sqlite_database, boris)
    for secret in (sealed, "", "abc", "ключ"):
        form = {"secret": secret, "code": "123456"}
        assert send(other, "/account/factor", form).status_code == 400


def test_an_operators_account_needs_a_second_factor(
    make_app: MakeApp, app: Flask, sqlite_database: Database, sqlite_address: str
) -> None:
    olga = account(sqlite_database, "olga@example.org", Role.OPERATOR)
    browser = signed_in(app, sqlite_database, olga)
    for path in ("/runs", "/accounts", "/tokens"):
        assert browser.get(path).headers["Location"] == "/account"
    assert send(browser, "/tokens", {"purpose": "x"}).headers["Location"] == "/account"
    assert "needs a second factor" in browser.get("/account").text
    set_up_factor(browser)
    assert browser.get("/accounts").status_code == 200
    lenient = make_app(sqlite_address, SIGN_IN__SECOND_FACTOR="false")
    oleg = account(sqlite_database, "oleg@example.org", Role.OPERATOR)
    assert signed_in(lenient, sqlite_database, oleg).get("/accounts").status_code == 200


def test_a_disabled_account_is_out_at_once(app: Flask, sqlite_database: Database) -> None:
    with_password(app, sqlite_database)
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 303
    with sqlite_database.reading() as tx:
        amina = service.find_account(tx, "amina@example.org")
    unused = link(app, sqlite_database, amina)
    service.disable_account(sqlite_database, "amina@example.org", by=BY)
    assert browser.get("/account").status_code == 401
    assert send(app.test_client(), unused).status_code == 404
    assert by_password(app.test_client(), PASSWORD) == 403
    with pytest.raises(Refused, match="disabled"):
        service.make_account_link(
            sqlite_database,
            amina.number,
            app.extensions["lms_bridge"].settings.sign_in,
            by=Actor("root", "command", utc_now()),
        )
    service.enable_account(sqlite_database, amina.number, by=BY)
    assert by_password(app.test_client(), PASSWORD) == 303


def test_a_reset_takes_password_and_second_factor_away(
    app: Flask, sqlite_database: Database
) -> None:
    with_password(app, sqlite_database)
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 303
    set_up_factor(browser)
    service.reset_factors(sqlite_database, "amina@example.org", by=BY)
    assert browser.get("/account").status_code == 401
    assert by_password(app.test_client(), PASSWORD) == 403
    with sqlite_database.reading() as tx:
        amina = service.find_account(tx, "amina@example.org")
    assert (amina.has_password, amina.has_totp) == (False, False)


def test_a_new_sign_in_takes_another_secret_and_ends_the_old_session(
    app: Flask, sqlite_database: Database
) -> None:
    amina = account(sqlite_database, reach=OF_AFR)
    browser = app.test_client()
    browser.set_cookie("lms_bridge_session", "planted")
    assert send(browser, link(app, sqlite_database, amina)).status_code == 303
    first = secret_of(browser)
    assert first != "planted"
    assert send(browser, link(app, sqlite_database, amina)).status_code == 303
    old = app.test_client()
    old.set_cookie("lms_bridge_session", first)
    assert old.get("/account").status_code == 401


def test_no_address_and_no_name_is_in_audit_or_log(
    app: Flask, sqlite_database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with_password(app, sqlite_database)
    by_password(app.test_client(), "another password")
    send(app.test_client(), "/sign-in/password", {"email": "nobody@example.org", "password": "x"})
    assert by_password(app.test_client(), PASSWORD) == 303
    said = "".join(capfd.readouterr())
    assert "wrong password" in said
    with sqlite_database.reading() as tx:
        said += str(tx.execute(select(account_tables.web_session)).all())
        for table in ("run", "item"):
            said += str(tx.exec_driver_sql(f"select * from {table}").all())
    for personal in ("amina@", "nobody@", "Sample Amina", PASSWORD):
        assert personal not in said.replace("SAMPLE AMINA", "")


def test_what_cannot_be_an_account_is_refused(sqlite_database: Database) -> None:
    account(sqlite_database, role=None)
    for email, words in (
        ("AMINA@example.org", "already"),
        ("no address", "not an e-mail address"),
        ("", "not an e-mail address"),
        (f"{'x' * 250}@example.org", "not an e-mail address"),
    ):
        with pytest.raises(Refused, match=words):
            account(sqlite_database, email, None)
    with pytest.raises(Refused, match="100 characters"):
        account(sqlite_database, "b@example.org", None, name="x" * 101)
    clean = account(sqlite_database, "c@example.org", None, name="Ann\u202e\n Lee")
    assert clean.name == "Ann Lee"


@pytest.mark.parametrize(
    ("role", "reach", "error"),
    [
        (Role.COORDINATOR, DataScope(), Refused),
        (Role.INSTRUCTOR, DataScope(region="africa"), Refused),
        (Role.FOCAL_POINT, DataScope(), Refused),
        (Role.FOCAL_POINT, DataScope(centre="AFR"), Refused),
        (Role.OPERATOR, DataScope(region="africa"), Refused),
        (Role.REVIEWER, DataScope(centre="AFR"), Refused),
        (Role.COORDINATOR, DataScope(centre="AFR", region="africa"), Refused),
        (Role.COORDINATOR, DataScope(centre="NOWHERE"), NotFound),
        (Role.REVIEWER, DataScope(region="atlantis"), NotFound),
    ],
    ids=str,
)
def test_a_role_has_a_reach_that_fits(
    app: Flask, sqlite_database: Database, role: Role, reach: DataScope, error: type[Refused]
) -> None:
    with pytest.raises(error):
        account(sqlite_database, role=role, reach=reach)
    with sqlite_database.reading() as tx, pytest.raises(NotFound):
        service.find_account(tx, "amina@example.org")


def test_the_page_of_an_account_is_in_the_persons_language(
    app: Flask, sqlite_database: Database
) -> None:
    amina = account(sqlite_database, reach=OF_AFR)
    browser = signed_in(app, sqlite_database, amina)
    form = {"name": "Sample Amina", "language": "fr"}
    assert send(browser, "/account", form).status_code == 303
    page = browser.get("/account?done=changed", headers={"Accept-Language": "es"}).text
    assert '<html lang="fr" dir="ltr">' in page
    assert "Votre nom, votre langue et votre fuseau horaire sont enregistrés." in page
    refused = send(browser, "/account/password", {"new": "short"})
    assert "Un mot de passe compte de 12 à 200 caractères." in refused.text
    assert '<html lang="fr"' in browser.get("/runs").text
    for wrong in ("xx", "fr-FR", "x" * 50):
        assert send(browser, "/account", {**form, "language": wrong}).status_code == 400
