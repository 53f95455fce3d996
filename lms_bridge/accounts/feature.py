"""What the pages of accounts share in one process: the mailer and the OpenID provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from flask import Flask
from flask_babel import force_locale, gettext
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.accounts.mail import Mail, Mailer, MailNotes
from lms_bridge.accounts.own_accounts import OwnAccounts
from lms_bridge.accounts.provider import OpenIdProvider
from lms_bridge.accounts.service import make_account_link
from lms_bridge.audit import PAGE, Actor
from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.matching import email_key
from lms_bridge.store import mail_failures
from lms_bridge.store.database import Database
from lms_bridge.web.languages import language as reader_language
from lms_bridge.web.sessions import PATH, link_address

_log = structlog.get_logger(__name__)
_EXTENSION = "lms_bridge_accounts"
BACK = f"{PATH}/provider/back"
NEW = f"{PATH}/new"
"""Where a link leads that makes an account."""


@dataclass(frozen=True)
class AccountsFeature:
    app: Flask
    bridge: Bridge
    mailer: Mailer
    provider: OpenIdProvider
    own_accounts: OwnAccounts

    def mail_link(self, email: str, visitor: str) -> None:
        """Mails a sign-in link, if there is such an account. Whoever asked is not told.

        Raises:
            Overloaded: too many messages wait.
        """
        language = reader_language()
        self.mailer.send(lambda: self._mail(email, visitor, language))

    def _mail(self, email: str, visitor: str, language: str) -> Mail | None:
        try:
            return self._link_mail(email)
        except NotFound:
            if not self.own_accounts.work:
                raise
        now, key = utc_now(), email_key(email)
        token = self.own_accounts.token(email, now)
        if not self.own_accounts.may_mail(key, visitor, now):
            return None
        settings = self.bridge.settings
        minutes = f"{settings.sign_in.link_minutes:g}"
        with self.app.app_context(), force_locale(language):
            text = "\n\n".join(
                (
                    gettext("This link makes your account, within %(minutes)s minutes:")
                    % {"minutes": minutes},
                    f"{settings.public_address}{NEW}/{token}",
                    gettext("If you did not ask for it, do nothing: nobody is signed in by it."),
                )
            )
            return Mail(key, gettext("Your sign-in link"), text)

    def _link_mail(self, email: str) -> Mail:
        bridge = self.bridge
        settings = bridge.settings
        by = Actor("", PAGE, utc_now())
        account, made, secret = make_account_link(
            bridge.database, email, settings.sign_in, by=by, by_number=False
        )
        address = link_address(settings.public_address, secret)
        minutes = f"{settings.sign_in.link_minutes:g}"
        with self.app.app_context(), force_locale(account.language or "en"):
            subject = gettext("Your sign-in link")
            text = "\n\n".join(
                (
                    gettext("This link signs you in once, within %(minutes)s minutes:")
                    % {"minutes": minutes},
                    address,
                    gettext("If you did not ask for it, do nothing: nobody is signed in by it."),
                )
            )
        _log.info("sign-in link mailed", account=account.number, session=made.number)
        return Mail(account.email, subject, text)


class _StoredNotes(MailNotes):
    """In the database: commands and other processes read it there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def failed(self, requests: int) -> None:
        self._write(lambda tx: mail_failures.note_failure(tx, requests, utc_now()))

    def works(self) -> None:
        self._write(mail_failures.forget)

    def _write(self, change: Callable[[Connection], None]) -> None:
        try:
            with self._database.writing() as tx:
                change(tx)
        except SQLAlchemyError as error:
            _log.warning("mail not noted", error=type(error).__name__)


def _look_at_mail(bridge: Bridge, mailer: Mailer, notes: MailNotes) -> None:
    """A failure that an earlier process noted is looked at again, or belongs to old settings."""
    try:
        with bridge.database.reading() as tx:
            failing = mail_failures.is_failing(tx)
    except SQLAlchemyError:
        return
    if failing and mailer.works:
        mailer.resume()
    elif failing:
        notes.works()


def add_accounts_to(app: Flask, bridge: Bridge) -> AccountsFeature:
    settings, notes = bridge.settings, _StoredNotes(bridge.database)
    mailer = Mailer(settings.mail, notes=notes)
    bridge.at_close(mailer.close)
    _look_at_mail(bridge, mailer, notes)
    feature = AccountsFeature(
        app,
        bridge,
        mailer,
        OpenIdProvider(
            settings.provider, settings.network, bridge.vault, f"{settings.public_address}{BACK}"
        ),
        OwnAccounts(bridge.vault, settings.sign_in),
    )
    app.extensions[_EXTENSION] = feature
    return feature


def accounts_of(app: Flask) -> AccountsFeature:
    feature: AccountsFeature = app.extensions[_EXTENSION]
    return feature
