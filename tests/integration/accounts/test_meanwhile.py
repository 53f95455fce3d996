"""What happens to an account while somebody signs in, and several tries at the same moment."""

from __future__ import annotations

from collections.abc import Callable

import pyotp
import pytest
from flask import Flask
from sqlalchemy import Connection, select, update

from lms_bridge.accounts import authentication, passwords, service, totp
from lms_bridge.accounts.provider import Person
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.roles import Role
from lms_bridge.settings import SignInSettings
from lms_bridge.store import account_tables, accounts
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.database import Database
from lms_bridge.web import sessions
from tests.integration.accounts.browser import BY, PASSWORD, account, hidden, send, signed_in
from tests.integration.accounts.test_ways_in import OF_AFR, by_password, set_up_factor

ADDRESS = "amina@example.org"
TABLE = account_tables.account


def prepared(app: Flask, database: Database) -> int:
    """An account with a password; gives its number."""
    amina = account(database, reach=OF_AFR)
    send(signed_in(app, database, amina), "/account/password", {"new": PASSWORD})
    return amina.number


def changed(database: Database, **values: object) -> None:
    with database.writing() as tx:
        tx.execute(update(TABLE).values(**values))


def while_a_password_is_checked(patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    check = passwords.is_right

    def checked(password: str, kept: str) -> bool:
        patch.setattr(passwords, "is_right", check)
        right = check(password, kept)
        act()
        return right

    patch.setattr(passwords, "is_right", checked)


def while_a_code_is_checked(patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    check = totp.period_of

    def checked(*given: object) -> int | None:
        patch.setattr(totp, "period_of", check)
        act()
        return check(*given)  # type: ignore[arg-type]  # what came is passed on

    patch.setattr(totp, "period_of", checked)


def test_an_old_password_opens_nothing_once_there_is_a_new_one(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(app, sqlite_database)
    new = passwords.hash_of("five other words of a sample")
    while_a_password_is_checked(monkeypatch, lambda: changed(sqlite_database, password=new))
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 403
    assert browser.get("/account").status_code == 401


def test_a_password_opens_nothing_once_its_account_is_disabled(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = prepared(app, sqlite_database)
    while_a_password_is_checked(
        monkeypatch, lambda: service.disable_account(sqlite_database, number, by=BY)
    )
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 403
    service.enable_account(sqlite_database, number, by=BY)
    assert browser.get("/account").status_code == 401


def test_a_password_alone_opens_nothing_once_there_is_a_second_factor(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(app, sqlite_database)
    while_a_password_is_checked(
        monkeypatch, lambda: changed(sqlite_database, totp_secret=b"of an app")
    )
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 303
    assert browser.get("/account").headers["Location"] == "/sign-in/code"


def test_of_two_new_passwords_at_once_the_first_one_counts(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(app, sqlite_database)
    browser = app.test_client()
    assert by_password(browser, PASSWORD) == 303
    first = passwords.hash_of("the first of two new ones")
    while_a_password_is_checked(monkeypatch, lambda: changed(sqlite_database, password=first))
    form = {"old": PASSWORD, "new": "the second of two new ones"}
    assert send(browser, "/account/password", form).status_code == 400
    with sqlite_database.reading() as tx:
        assert tx.scalar(select(TABLE.c.password)) == first


def test_a_strangers_wrong_passwords_keep_no_code_waiting(
    app: Flask, sqlite_database: Database
) -> None:
    prepared(app, sqlite_database)
    with sqlite_database.reading() as tx:
        amina = service.find_account(tx, ADDRESS)
    codes = set_up_factor(signed_in(app, sqlite_database, amina))
    stranger = app.test_client()
    tries = [by_password(stranger, "another password") for _ in range(8)]
    assert tries[-1] == 503
    changed(sqlite_database, totp_period=0)
    owner = signed_in(app, sqlite_database, amina)
    assert send(owner, "/sign-in/code", {"code": codes.now()}).status_code == 303


def test_wrong_codes_make_the_next_one_wait(app: Flask, sqlite_database: Database) -> None:
    prepared(app, sqlite_database)
    with sqlite_database.reading() as tx:
        amina = service.find_account(tx, ADDRESS)
    codes = set_up_factor(signed_in(app, sqlite_database, amina))
    changed(sqlite_database, totp_period=0)
    for _ in range(authentication.FREE_TRIES):
        browser = signed_in(app, sqlite_database, amina)  # another session is no other try
        assert send(browser, "/sign-in/code", {"code": "000000"}).status_code == 403
    answer = send(browser, "/sign-in/code", {"code": codes.now()})
    assert answer.status_code == 503
    assert "Seconds to wait" in answer.text


def test_of_several_codes_at_once_one_counts(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the waits after wrong ones would mean little: many would be tried before each."""
    prepared(app, sqlite_database)
    with sqlite_database.reading() as tx:
        amina = service.find_account(tx, ADDRESS)
    codes = set_up_factor(signed_in(app, sqlite_database, amina))
    changed(sqlite_database, totp_period=0)
    one, other = (signed_in(app, sqlite_database, amina) for _ in range(2))
    inner: list[int] = []
    while_a_code_is_checked(
        monkeypatch,
        lambda: inner.append(send(other, "/sign-in/code", {"code": "000000"}).status_code),
    )
    outer = send(one, "/sign-in/code", {"code": codes.now()})
    assert (inner, outer.status_code) == ([403], 503)
    assert "Another code is being checked" in outer.text
    assert one.get("/runs").status_code == 303
    assert send(one, "/sign-in/code", {"code": codes.now()}).status_code == 303


def test_of_two_devices_at_once_one_becomes_the_second_factor(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(app, sqlite_database)
    with sqlite_database.reading() as tx:
        amina = service.find_account(tx, ADDRESS)
    browser = signed_in(app, sqlite_database, amina)
    sealed = hidden(send(browser, "/account/factor/new"), "secret")
    while_a_code_is_checked(
        monkeypatch, lambda: changed(sqlite_database, totp_secret=b"of the other device")
    )
    monkeypatch.setattr(totp, "hmac", _Alike)
    answer = send(browser, "/account/factor", {"secret": sealed, "code": "123456"})
    assert answer.status_code == 400
    assert "has a second factor already" in answer.text
    with sqlite_database.reading() as tx:
        assert tx.scalar(select(TABLE.c.totp_secret)) == b"of the other device"


class _Alike:
    """Lets every code be right, for what comes after it."""

    @staticmethod
    def compare_digest(one: str, other: str) -> bool:
        return len(one) == len(other)


def test_an_address_has_one_account(sqlite_database: Database) -> None:
    account(sqlite_database, ADDRESS, None)
    with pytest.raises(Refused, match="already"):
        account(sqlite_database, ADDRESS, None)
    with sqlite_database.writing() as tx:
        again = accounts.add_account(
            tx, email=ADDRESS, name="", language="", at=utc_now(), by="another"
        )
    assert again is None


def while_a_password_is_hashed(patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    hash_of = passwords.hash_of

    def hashed(password: str) -> str:
        patch.setattr(passwords, "hash_of", hash_of)
        act()
        return hash_of(password)

    patch.setattr(passwords, "hash_of", hashed)


def end_all(database: Database, number: int) -> None:
    with database.writing() as tx:
        sessions.end_of_account(tx, number, BY)


def test_a_session_that_was_ended_meanwhile_sets_no_password(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    amina = account(sqlite_database, reach=OF_AFR)
    thief = signed_in(app, sqlite_database, amina)
    while_a_password_is_hashed(monkeypatch, lambda: end_all(sqlite_database, amina.number))
    assert send(thief, "/account/password", {"new": PASSWORD}).status_code == 401
    assert by_password(app.test_client(), PASSWORD) == 403


def test_a_session_that_was_ended_meanwhile_sets_no_second_factor(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    amina = account(sqlite_database, reach=OF_AFR)
    thief = signed_in(app, sqlite_database, amina)
    page = send(thief, "/account/factor/new")
    key = page.text.partition('Key: <code dir="ltr">')[2].partition("<")[0]
    while_a_code_is_checked(monkeypatch, lambda: end_all(sqlite_database, amina.number))
    form = {"secret": hidden(page, "secret"), "code": pyotp.TOTP(key).now()}
    assert send(thief, "/account/factor", form).status_code == 401
    with sqlite_database.reading() as tx:
        assert not service.find_account(tx, ADDRESS).has_totp


def test_a_session_that_was_ended_meanwhile_removes_no_second_factor(
    app: Flask, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    amina = account(sqlite_database, reach=OF_AFR)
    thief = signed_in(app, sqlite_database, amina)
    codes = set_up_factor(thief)
    changed(sqlite_database, totp_period=0)
    while_a_code_is_checked(monkeypatch, lambda: end_all(sqlite_database, amina.number))
    form = {"code": codes.now()}
    assert send(thief, "/account/factor/removal", form).status_code == 401
    with sqlite_database.reading() as tx:
        assert service.find_account(tx, ADDRESS).has_totp


def test_a_provider_opens_nothing_once_the_account_is_disabled(
    postgres_address: str,
    open_database: Callable[[str], Database],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On SQLite nobody else writes meanwhile."""
    database = open_database(postgres_address)
    amina = account(database, role=Role.ADMINISTRATOR)
    with database.writing() as tx:
        accounts.change_account(tx, amina.number, subject="sample-1")
    account_of = authentication.account_of

    def looked_up(tx: Connection, person: Person) -> UserAccount:
        found = account_of(tx, person)
        monkeypatch.setattr(authentication, "account_of", account_of)
        service.disable_account(database, amina.number, by=BY)
        return found

    monkeypatch.setattr(authentication, "account_of", looked_up)
    person = Person("sample-1", ADDRESS)
    with pytest.raises(Refused, match="disabled"), database.writing() as tx:
        authentication.open_for_person(tx, person, SignInSettings(), utc_now())
