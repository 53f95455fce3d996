"""Accounts that people make for themselves, by a link that is mailed to them.

Nothing is stored before the link is used: it carries the address, encrypted. It makes an account
once, for from then on there is one. Such an account has no role.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import orjson
import structlog
from sqlalchemy import Connection

from lms_bridge.accounts.authentication import open_session
from lms_bridge.accounts.service import address_key, link_learner, record_account
from lms_bridge.audit import PAGE, Actor
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import realm_of
from lms_bridge.secrets import Vault
from lms_bridge.settings import SignInSettings
from lms_bridge.store import accounts, learners
from lms_bridge.store.database import Database
from lms_bridge.web.sessions import Session

_log = structlog.get_logger(__name__)
MOST_FOR_ADDRESS, MOST_BY_VISITOR = 3, 10
"""Mails with such links, within the minutes that a link can be used."""
MOST_COUNTED = 100_000
_PURPOSE = "own account"
"""The key locks other things, too: none of them is taken for a link."""


class OwnAccounts:
    """Makes and reads such links. Each process counts for itself."""

    def __init__(self, vault: Vault, settings: SignInSettings) -> None:
        self._vault = vault
        self._settings = settings
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._until: datetime | None = None

    @property
    def work(self) -> bool:
        """Whether people may make accounts for themselves."""
        return self._settings.own_accounts

    def token(self, email: str, now: datetime) -> str:
        """The secret of a link for this address.

        Raises:
            Refused: it cannot be an e-mail address.
        """
        facts = [_PURPOSE, address_key(email), int(now.timestamp())]
        return self._vault.lock(orjson.dumps(facts).decode()).decode()

    def address(self, token: str, now: datetime) -> str | None:
        """The address that a link is for; None where it is not ours, or its time is over."""
        try:
            facts = orjson.loads(self._vault.unlock(token.encode(errors="replace")))
            purpose, email, made = str(facts[0]), str(facts[1]), float(facts[2])
        except (SettingsInvalid, ValueError, TypeError, LookupError):
            return None
        if purpose != _PURPOSE:
            return None
        age = now.timestamp() - made
        return email if -1 <= age < self._settings.link_minutes * 60 else None

    def may_mail(self, email: str, visitor: str, now: datetime) -> bool:
        """Counts one more mail. False where the address, or the visitor, has had enough of them."""
        limits = ((f"to {email}", MOST_FOR_ADDRESS), (f"by {visitor}", MOST_BY_VISITOR))
        with self._lock:
            if self._until is None or now >= self._until or len(self._counts) > MOST_COUNTED:
                self._counts = {}
                self._until = now + timedelta(minutes=self._settings.link_minutes)
            if any(self._counts.get(key, 0) >= most for key, most in limits):
                return False
            for key, _ in limits:
                self._counts[key] = self._counts.get(key, 0) + 1
        return True

    def make(self, database: Database, token: str, now: datetime) -> tuple[Session, str] | None:
        """The account of the link, and a session of it. None where the link cannot be used, or was
        used before: then there is such an account."""
        email = self.address(token, now)
        if email is None:
            return None
        by = Actor("own account", PAGE, now)
        with database.writing() as tx:
            made = accounts.add_account(tx, email=email, name="", language="", at=now, by=by.name)
            if made is None:
                return None
            record_account(tx, by, made.number, "make", {"created_at": (None, plain(now))})
            learner = self._learner(tx, email)
            if learner is not None:
                link_learner(tx, made, learner, by)
            opened = open_session(tx, made, self._settings, now)
        _log.info("own account made", account=made.number, learner=learner is not None)
        return opened

    def _learner(self, tx: Connection, email: str) -> int | None:
        """The one learner of the Academy with this address, where the settings take that as proof.
        Two learners with one address, or one who has an account, prove nothing."""
        if not self._settings.learners_by_email:
            return None
        found = learners.learners_by_email(tx, email)
        if len(found) != 1:
            return None
        ((number, record),) = found.items()
        taken = accounts.find_account(tx, learner=number) is not None
        return None if taken or realm_of(record.academy_id) else number
