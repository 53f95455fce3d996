"""Accounts of people who sign in, and their roles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.roles import Grant, Role
from lms_bridge.store.account_tables import account, account_role, learner_calendar
from lms_bridge.store.lti_tables import nonce
from lms_bridge.store.tables import centre


@dataclass(frozen=True, slots=True)
class UserAccount:
    """A person who may sign in, as far as it may be shown. ``email`` is in lower case; ``subject``
    is the account at the OpenID provider, empty before the first sign-in from there. ``learner`` is
    the number of the learner that the person is."""

    number: int
    email: str
    name: str
    language: str
    time_zone: str
    subject: str
    has_password: bool
    has_totp: bool
    created_at: datetime
    disabled_at: datetime | None
    learner: int | None
    grants: tuple[Grant, ...]

    @property
    def audit_name(self) -> str:
        """What the audit and the log call the person: it tells who, and holds no personal data."""
        return f"account {self.number}"

    @property
    def shown_name(self) -> str:
        """What the person's own pages call them."""
        return self.name or self.email

    def has(self, *roles: Role) -> bool:
        return any(grant.role in roles for grant in self.grants)


_COLUMNS = (
    *(account.c.id, account.c.email, account.c.name, account.c.language),
    *(account.c.time_zone, account.c.subject),
    (account.c.password != "").label("has_password"),
    (account.c.totp_secret != b"").label("has_totp"),
    *(account.c.created_at, account.c.disabled_at, account.c.learner_id),
)
_ROLES = {str(role) for role in Role}


def add_account(
    tx: Connection, *, email: str, name: str, language: str, at: datetime, by: str
) -> UserAccount | None:
    """A new account without roles; None where the address has one."""
    row = {
        "email": email,
        "name": name,
        "language": language,
        "created_at": at,
        "created_by": by[:100],
    }
    kind: Any = sqlite if tx.dialect.name == "sqlite" else postgresql
    new = kind.insert(account).values(row).on_conflict_do_nothing(index_elements=["email"])
    made = tx.execute(new.returning(*_COLUMNS)).first()
    return None if made is None else _account(made, ())


def lock(tx: Connection, number: int) -> None:
    """Nobody else changes this account before the transaction ends."""
    tx.execute(select(account.c.id).where(account.c.id == number).with_for_update())


def find_account(
    tx: Connection,
    *,
    number: int | None = None,
    email: str = "",
    subject: str = "",
    learner: int | None = None,
) -> UserAccount | None:
    """The account with this number, address, subject or learner, enabled or not."""
    if number is not None:
        chosen = account.c.id == number
    elif email:
        chosen = account.c.email == email
    elif subject:
        chosen = account.c.subject == subject
    elif learner is not None:
        chosen = account.c.learner_id == learner
    else:
        return None
    row = tx.execute(select(*_COLUMNS).where(chosen)).first()
    return None if row is None else _with_grants(tx, [row])[0]


_AUDIT_NAME = re.compile(r"account (\d{1,9})")


def names_of(tx: Connection, audit_names: Iterable[str]) -> dict[str, str]:
    """{what the audit calls a person: their name} of those who have one. No address is shown."""
    found = {each: _AUDIT_NAME.fullmatch(each) for each in audit_names}
    numbers = {int(match[1]): each for each, match in found.items() if match}
    query = select(account.c.id, account.c.name).where(account.c.id.in_(numbers))
    return {numbers[row.id]: row.name for row in tx.execute(query) if row.name}


def all_accounts(tx: Connection, *, after: int = 0, most: int = 1000) -> list[UserAccount]:
    """Accounts in the order of their numbers, beginning after this one."""
    query = select(*_COLUMNS).where(account.c.id > after).order_by(account.c.id).limit(most)
    return _with_grants(tx, tx.execute(query).all())


def _with_grants(tx: Connection, rows: Sequence[Any]) -> list[UserAccount]:
    if not rows:
        return []
    found: dict[int, list[Grant]] = {}
    of_these = account_role.c.account_id.in_([row.id for row in rows])
    for row in tx.execute(select(account_role).where(of_these).order_by(account_role.c.id)):
        if row.role in _ROLES:
            grant = Grant(Role(row.role), DataScope(row.centre, row.region))
            found.setdefault(row.account_id, []).append(grant)
    return [_account(row, tuple(found.get(row.id, ()))) for row in rows]


def _account(row: Any, grants: tuple[Grant, ...]) -> UserAccount:
    facts: Any = (*row, grants)
    return UserAccount(*facts)


def change_account(tx: Connection, number: int, **values: object) -> None:
    tx.execute(update(account).where(account.c.id == number).values(**values))


def end_calendar(tx: Connection, learner_id: int) -> bool:
    """Ends the address of a learner's calendar; returns whether there was one."""
    ended = tx.execute(delete(learner_calendar).where(learner_calendar.c.learner_id == learner_id))
    return ended.rowcount > 0


LAUNCH_LINK = "launch-link"
"""The purpose of the nonces that stand for launch links."""
HANDED_OUT, ENDED = "handed_out", "ended"
"""What such a link holds: it was made for a learner; the learner's account was disabled since."""


def end_launch_links(tx: Connection, academy_id: str) -> int:
    """Ends the launch links that were made for a learner; returns how many. They stay, so that
    their page can say why they open nothing."""
    theirs = (
        nonce.c.purpose == LAUNCH_LINK,
        nonce.c.data["learner"].as_string() == academy_id,
    )
    found = tx.execute(select(nonce.c.digest, nonce.c.data).where(*theirs)).all()
    ended = [row for row in found if row.data.get(HANDED_OUT) and not row.data.get(ENDED)]
    for row in ended:
        changed = update(nonce).where(nonce.c.digest == row.digest)
        tx.execute(changed.values(data={**row.data, ENDED: 1}))
    return len(ended)


def set_learner(tx: Connection, number: int, learner_id: int) -> bool:
    """Says which learner the account is; False where it is one already, or another account is."""
    free = (account.c.id == number, account.c.learner_id.is_(None))
    try:
        with tx.begin_nested():
            done = tx.execute(update(account).where(*free).values(learner_id=learner_id))
    except IntegrityError:
        return False
    return done.rowcount == 1


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account proves itself with. ``failures`` counts wrong passwords in a row, and
    ``wrong_codes`` wrong codes."""

    password: str = field(default="", repr=False)
    totp_secret: bytes = field(default=b"", repr=False)
    totp_period: int = 0
    failures: int = 0
    failed_at: datetime | None = None
    wrong_codes: int = 0
    code_tried_at: datetime | None = None


_CREDENTIALS = tuple(account.c[each.name] for each in fields(Credentials))


def credentials_of(tx: Connection, number: int) -> Credentials:
    """Empty ones where there is no such account."""
    row = tx.execute(select(*_CREDENTIALS).where(account.c.id == number)).first()
    return Credentials() if row is None else Credentials(*row)


def note_failure(tx: Connection, number: int, at: datetime) -> None:
    """Counts one more wrong password."""
    tx.execute(
        update(account)
        .where(account.c.id == number)
        .values(failures=account.c.failures + 1, failed_at=at)
    )


def begin_code(tx: Connection, number: int, tried: int, at: datetime) -> bool:
    """Counts a code as wrong before anybody says so. False where another one was tried since
    ``tried`` were: of several at once, one counts."""
    done = tx.execute(
        update(account)
        .where(account.c.id == number, account.c.wrong_codes == tried)
        .values(wrong_codes=tried + 1, code_tried_at=at)
    )
    return done.rowcount == 1


def use_period(tx: Connection, number: int, period: int) -> bool:
    """Marks a code's period as used; False where it was used before."""
    done = tx.execute(
        update(account)
        .where(account.c.id == number, account.c.totp_period < period)
        .values(totp_period=period, failures=0, failed_at=None, wrong_codes=0, code_tried_at=None)
    )
    return done.rowcount == 1


def add_grant(tx: Connection, number: int, grant: Grant) -> None:
    tx.execute(insert(account_role).values(account_id=number, **_columns(grant)))


def remove_grant(tx: Connection, number: int, grant: Grant) -> None:
    same = [account_role.c[name] == value for name, value in _columns(grant).items()]
    tx.execute(delete(account_role).where(account_role.c.account_id == number, *same))


def _columns(grant: Grant) -> dict[str, str]:
    reach = grant.reach
    return {"role": str(grant.role), "centre": reach.centre, "region": reach.region}


def centres_within(tx: Connection, reaches: Collection[DataScope]) -> list[str] | None:
    """Codes of the centres that some of these reach; None where one of them reaches everything."""
    if any(reach.everything for reach in reaches):
        return None
    if not reaches:
        return []
    return list(tx.scalars(select(centre.c.code).where(is_within(reaches, centre.c.code))))


def is_within(reaches: Collection[DataScope], code: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the centre of this column is one that some of these reach."""
    if any(reach.everything for reach in reaches):
        return true()
    codes = [reach.centre for reach in reaches if reach.centre]
    regions = [reach.region for reach in reaches if reach.region]
    of_regions = select(centre.c.code).where(centre.c.region.in_(regions))
    return or_(code.in_(codes), code.in_(of_regions))
