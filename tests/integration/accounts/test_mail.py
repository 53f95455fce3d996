"""Sign-in links by mail, over a real SMTP server on this machine."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from queue import Queue
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from flask import Flask
from flask.testing import FlaskClient

from lms_bridge.accounts.feature import accounts_of
from lms_bridge.accounts.mail import Mail, Mailer, try_server
from lms_bridge.accounts.service import MOST_OPEN_LINKS
from lms_bridge.admin.matters import command_for
from lms_bridge.domain.access import DataScope
from lms_bridge.domain.clock import utc_now
from lms_bridge.settings import MailSecurity, MailSettings, load
from lms_bridge.store import mail_failures
from lms_bridge.store.attention import Matter, findings
from lms_bridge.store.database import Database
from tests.integration.accounts.browser import account, send
from tests.integration.accounts.conftest import MakeApp
from tests.integration.lti_platform.waiting import until, waits
from tests.integration.web.filling import fill

SECONDS = 120.0
"""A busy machine may need some; a mail that never comes fails the test."""


class Box:
    """The mailbox of everybody. ``closed`` is how often the server lets nobody in, and ``late`` how
    often it puts a message off."""

    def __init__(self, closed: int = 0, late: int = 0) -> None:
        self._closed, self.late = closed, late
        self._came: Queue[tuple[list[str], EmailMessage]] = Queue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self._came.put((envelope.rcpt_tos, message))
        return "250 OK"

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, name: str, answers: list[str]
    ) -> list[str]:
        session.host_name = name
        if self._closed:
            self._closed -= 1
            return ["421 not now"]
        return answers

    async def handle_HELO(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, name: str
    ) -> str:
        return "421 not now"  # clients ask this where EHLO was refused

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("refused"):
            return "550 no such mailbox"
        if self.late:
            self.late -= 1
            return "450 greylisted, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def next(self) -> tuple[list[str], EmailMessage]:
        return self._came.get(timeout=SECONDS)

    @property
    def empty(self) -> bool:
        """Takes nothing out: the server looks at all members of its handler at each connection."""
        return self._came.empty()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def post_office(box: Box | None = None, port: int = 0, **options: Any) -> Iterator[tuple[Box, str]]:
    """A mail server, and its port."""
    box, port = box or Box(), port or free_port()
    office = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=SECONDS, **options)
    office.start()
    try:
        yield box, str(port)
    finally:
        office.stop()


@pytest.fixture
def posted(
    make_app: MakeApp, sqlite_database: Database, sqlite_address: str
) -> Iterator[tuple[Flask, Box]]:
    fill(sqlite_database)
    with post_office() as (box, port):
        yield (
            make_app(
                sqlite_address,
                MAIL__HOST="127.0.0.1",
                MAIL__PORT=port,
                MAIL__SECURITY="none",
                MAIL__SENDER="bridge@bridge.example",
            ),
            box,
        )


def ask(browser: FlaskClient, email: str) -> str:
    answer = send(browser, "/sign-in/by-mail", {"email": email})
    assert answer.status_code == 200
    return answer.text


def test_a_link_comes_by_mail_and_signs_in(
    posted: tuple[Flask, Box], sqlite_database: Database
) -> None:
    app, box = posted
    account(sqlite_database, reach=DataScope(centre="AFR"))
    browser = app.test_client()
    assert "Send me a link" in browser.get("/sign-in").text
    ask(browser, "Amina@Example.org")
    to, message = box.next()
    assert to == ["amina@example.org"]
    assert message["From"] == "bridge@bridge.example"
    assert message["Auto-Submitted"] == "auto-generated"
    path = re.search(r"http://127\.0\.0\.1:8000(/sign-in/\S+)", message.get_content())
    assert path is not None
    assert send(browser, path[1]).status_code == 303
    assert browser.get("/runs").status_code == 200


def test_the_answer_does_not_tell_whether_there_is_an_account(
    posted: tuple[Flask, Box], sqlite_database: Database
) -> None:
    app, box = posted
    amina = account(sqlite_database, reach=DataScope(centre="AFR"))
    asked = ["nobody@example.org", "no address", "", str(amina.number), "a@b\r\nBcc: c@d"]
    pages = {ask(app.test_client(), each) for each in [*asked, "amina@example.org"]}
    assert len(pages) == 1
    to, _ = box.next()  # messages are sent in their order: the others would have come before
    assert to == ["amina@example.org"]
    assert box.empty


def test_an_account_gets_few_links_at_once(
    posted: tuple[Flask, Box], sqlite_database: Database
) -> None:
    app, box = posted
    account(sqlite_database, reach=DataScope(centre="AFR"))
    account(sqlite_database, "boris@example.org", reach=DataScope(centre="AFR"))
    for _ in range(MOST_OPEN_LINKS + 5):
        ask(app.test_client(), "amina@example.org")
    ask(app.test_client(), "boris@example.org")
    came = [box.next()[0] for _ in range(MOST_OPEN_LINKS + 1)]
    assert came.count(["amina@example.org"]) == MOST_OPEN_LINKS
    assert came.count(["boris@example.org"]) == 1


def test_without_a_mail_server_the_page_offers_no_link_by_mail(app: Flask) -> None:
    browser = app.test_client()
    assert "Send me a link" not in browser.get("/sign-in").text
    assert send(browser, "/sign-in/by-mail", {"email": "a@example.org"}).status_code == 404


def test_a_mail_server_that_drips_is_cut_off_in_time() -> None:
    """It sends a byte now and then: no single wait is long, the whole would never end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def drip() -> None:
            peer, _ = listening.accept()
            with peer:
                try:
                    while not done.wait(0.05):
                        peer.sendall(b"220-")
                except OSError:
                    done.set()

        threading.Thread(target=drip, daemon=True).start()
        port = listening.getsockname()[1]
        settings = MailSettings(
            "127.0.0.1", port, MailSecurity.NONE, sender="b@bridge.example", seconds=1.0
        )
        mailer = Mailer(settings)
        mailer.send(lambda: Mail("a@example.org", "Sample", "Sample"))
        assert done.wait(SECONDS)


def test_a_message_that_cannot_be_sent_does_not_stop_the_next(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    # Without SMTPUTF8 (RFC 6531) an address with an "ä" cannot be written to.
    with post_office(enable_SMTPUTF8=False) as (box, port):
        settings = MailSettings(
            "127.0.0.1", int(port), MailSecurity.NONE, sender="b@bridge.example"
        )
        mailer = Mailer(settings)
        for to in ("refused@example.org", "b@exämple.org", "a@example.org"):
            mailer.send(partial(Mail, to, "Your sign-in link", "secret-link"))
        until(lambda: mailer.idle)
        assert box.next()[0] == ["a@example.org"]
        assert box.empty
    ours = [each for each in caplog.records if each.name.startswith("lms_bridge")]
    said = "".join(capfd.readouterr()) + str([each.getMessage() for each in ours])
    assert "secret-link" not in said
    assert "@example.org" not in said
    assert "smtp_code" in said


def mailer_at(port: int, retry_seconds: float) -> Mailer:
    settings = MailSettings("127.0.0.1", port, MailSecurity.NONE, sender="b@bridge.example")
    return Mailer(settings, retry_seconds)


@pytest.mark.parametrize("trouble", [{"closed": 2}, {"late": 2}, {"closed": 1, "late": 1}])
def test_a_message_waits_for_the_mail_server_and_is_sent_once(trouble: dict[str, int]) -> None:
    with post_office(Box(**trouble)) as (box, port):
        mailer = mailer_at(int(port), retry_seconds=0.05)
        mailer.send(lambda: Mail("a@example.org", "Sample", "Sample"))
        assert box.next()[0] == ["a@example.org"]
        until(lambda: mailer.idle)
        assert box.empty
        assert not mailer.failing


def test_a_message_is_not_sent_again_for_ever() -> None:
    mailer = mailer_at(free_port(), retry_seconds=0.01)
    mailer.send(lambda: Mail("a@example.org", "Sample", "Sample"))
    until(lambda: mailer.idle)
    assert mailer.failing


@pytest.mark.parametrize("email", ["amina@example.org", "nobody@example.org"])
def test_the_page_says_that_mail_may_not_come_whoever_asks(
    make_app: MakeApp, sqlite_database: Database, sqlite_address: str, email: str
) -> None:
    account(sqlite_database, role=None)
    app = make_app(
        sqlite_address,
        MAIL__HOST="127.0.0.1",
        MAIL__PORT=str(free_port()),
        MAIL__SECURITY="none",
        MAIL__SENDER="bridge@bridge.example",
    )
    browser = app.test_client()
    ask(browser, email)
    until(lambda: "The mail server does not answer" in browser.get("/sign-in").text)
    assert "a link may come late" in ask(browser, email)


@pytest.mark.parametrize("email", ["amina@example.org", "nobody@example.org"])
def test_a_mail_server_that_fails_is_among_what_is_wrong_whoever_asked(
    make_app: MakeApp, database: Database, database_address: str, email: str
) -> None:
    account(database, role=None)
    port = free_port()
    mail = {"MAIL__HOST": "127.0.0.1", "MAIL__PORT": str(port), "MAIL__SECURITY": "none"}
    mail["MAIL__SENDER"] = "bridge@bridge.example"
    app = make_app(database_address, **mail)
    for _ in range(3):
        ask(app.test_client(), email)
    until(lambda: found_of_mail(database) == (3, True))
    health = make_app(database_address, **mail).test_client().get("/health").get_json()
    assert health["attention"]["mail_failing"] == 3
    assert health["status"] == "degraded"
    with post_office(port=port):  # a process that starts later asks the server again
        make_app(database_address, **mail)
        until(lambda: found_of_mail(database) is None)


def test_a_closed_bridge_asks_its_mail_server_no_more(
    make_app: MakeApp, sqlite_address: str
) -> None:
    before = {*threading.enumerate()}
    with post_office(Box(late=1)) as (box, port):
        app = make_app(
            sqlite_address,
            MAIL__HOST="127.0.0.1",
            MAIL__PORT=port,
            MAIL__SECURITY="none",
            MAIL__SENDER="bridge@bridge.example",
        )
        mailer = accounts_of(app).mailer
        mailer.send(lambda: Mail("a@example.org", "Sample", "Sample"))
        until(lambda: not mailer.idle and not box.late)
        mailer.resume()
        accounts_of(app).bridge.close()
        mailer.send(lambda: Mail("a@example.org", "Sample", "Sample"))
        mailer.probe()
    until(lambda: before >= {*threading.enumerate()})
    assert box.empty


def test_requests_that_meet_a_failing_server_at_once_are_counted_once_each(
    database: Database,
) -> None:
    def note() -> None:
        with database.writing() as tx:
            mail_failures.note_failure(tx, 1, utc_now())

    other = threading.Thread(target=note)
    with database.writing() as tx:
        mail_failures.note_failure(tx, 1, utc_now())
        other.start()
        until(lambda: database.embedded or not other.is_alive() or waits(database))
    other.join()
    note()
    assert found_of_mail(database) == (3, True)


def found_of_mail(database: Database) -> tuple[int, bool] | None:
    """How many requests met a server that fails, and whether it is known since when."""
    with database.reading() as tx:
        for each in findings(tx, utc_now()):
            if each.matter is Matter.MAIL_FAILING:
                assert command_for(each) == "lms-bridge account mail"
                return each.count, each.since is not None
    return None


def test_a_server_that_is_no_longer_in_the_settings_fails_no_more(
    make_app: MakeApp, sqlite_database: Database, sqlite_address: str
) -> None:
    with sqlite_database.writing() as tx:
        mail_failures.note_failure(tx, 2, utc_now())
    make_app(sqlite_address)
    assert found_of_mail(sqlite_database) is None


class Notes:
    """What a mailer told operators."""

    def __init__(self) -> None:
        self.told: list[int | str] = []

    def failed(self, requests: int) -> None:
        self.told.append(requests)

    def works(self) -> None:
        self.told.append("works")


def test_a_server_that_works_again_is_noticed_although_nothing_waits_for_it() -> None:
    notes = Notes()
    with post_office(Box(closed=2)) as (_, port):
        settings = MailSettings(
            "127.0.0.1", int(port), MailSecurity.NONE, sender="b@bridge.example"
        )
        mailer = Mailer(settings, notes=notes, probe_seconds=0.05)
        mailer.send(lambda: None)
        until(lambda: "works" in notes.told)
    assert notes.told == [1, 0, "works"]
    assert not mailer.failing


def test_a_server_that_refuses_the_sender_fails() -> None:
    class Strict(Box):
        async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
            self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
        ) -> str:
            return "553 not from here"

    with post_office(Strict()) as (_, port):
        settings = MailSettings(
            "127.0.0.1", int(port), MailSecurity.NONE, sender="b@bridge.example"
        )
        assert "not from here" in try_server(settings)


def test_a_password_is_sent_only_over_an_encrypted_connection() -> None:
    environment = {
        "LMS_BRIDGE_MAIL__HOST": "mail.example.org",
        "LMS_BRIDGE_MAIL__SENDER": "bridge@example.org",
        "LMS_BRIDGE_MAIL__USER": "bridge",
        "LMS_BRIDGE_MAIL__PASSWORD": "sample",
        "LMS_BRIDGE_MAIL__SECURITY": "none",
    }
    with pytest.raises(Exception, match=r"mail\.security"):
        load(environment)
    assert load({**environment, "LMS_BRIDGE_MAIL__SECURITY": "tls"}).mail.user == "bridge"
    with pytest.raises(Exception, match=r"mail\.sender"):
        load({"LMS_BRIDGE_MAIL__HOST": "mail.example.org"})


def test_the_server_of_a_password_must_offer_encryption() -> None:
    """A server without STARTTLS gets neither the password nor the message."""
    tried = threading.Event()

    def authenticated(*args: object) -> AuthResult:
        tried.set()
        return AuthResult(success=True)

    with post_office(authenticator=authenticated, auth_require_tls=False) as (box, port):
        settings = MailSettings(
            "127.0.0.1", int(port), MailSecurity.STARTTLS, "bridge", "sample", "b@bridge.example"
        )
        mailer, plain = (
            Mailer(settings, retry_seconds=0.01),
            Mailer(
                MailSettings("127.0.0.1", int(port), MailSecurity.NONE, sender="b@bridge.example")
            ),
        )
        mailer.send(lambda: Mail("a@example.org", "Sample", "Sample"))
        until(lambda: mailer.idle)
        plain.send(lambda: Mail("b@example.org", "Sample", "Sample"))
        assert box.next()[0] == ["b@example.org"]
        assert box.empty
        assert not tried.is_set()
