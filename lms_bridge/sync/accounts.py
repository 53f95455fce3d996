"""Accounts of learners at a centre, compared with what the bridge knows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import ACTIVE, GONE_HASH
from lms_bridge.domain.document import Document, digest
from lms_bridge.domain.errors import NotFound, RecordRefused
from lms_bridge.domain.model import Kind
from lms_bridge.domain.policy import OnConflict, OnUnneeded
from lms_bridge.domain.ports import FindsAccounts, KnowsUse, PageError, Removal, ShowsAccounts
from lms_bridge.store import account_links, enrolments, learners, target_links
from lms_bridge.store.tables import EMPTY
from lms_bridge.store.target_links import TargetLink
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.drift import SUSPENDED, agree, decide_conflict

GONE, REPLACED = "gone", "replaced"
UNCONFIRMED, LOCKED = "unconfirmed", "locked"
_NO_LOGIN = (SUSPENDED, UNCONFIRMED, LOCKED)
_UNNEEDED = digest({"state": "needed by nothing"})
AT_ONCE = 1000
"""Accounts compared before the next are read, so that memory does not grow with them."""


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """An account that is not as the bridge left it, or is so again."""

    held: TargetLink
    shown: Document


def compare_accounts(context: RunContext, peer: ShowsAccounts) -> list[ShownAccount]:
    """The accounts of the centre's learners that are deleted, suspended or changed. An account
    that the system does not show counts as unchanged."""
    changed: list[ShownAccount] = []
    after = 0
    while True:
        with context.database.reading() as tx:
            held = target_links.held_of_centre(
                tx, context.centre.system, Kind.LEARNER, context.centre.code, after, AT_ONCE
            )
        if not held:
            return changed
        after = held[-1].link_id
        documents = {each.external_id: each.held_document or {} for each in held}
        with context.lending():
            shown = _shown(context, peer, documents)
            found = [
                ShownAccount(each, shown[each.external_id])
                for each in held
                if each.external_id in shown and shown[each.external_id] != each.held_document
            ]
            changed += _with_replaced(peer, found)
            changed += [
                ShownAccount(each, shown[each.external_id])
                for each in held
                if each.external_id in shown
                and shown[each.external_id] == each.held_document
                and each.tolerated not in (EMPTY, _UNNEEDED)
            ]


def _with_replaced(peer: object, found: list[ShownAccount]) -> list[ShownAccount]:
    """The same, with those as replaced whose learner's id another account has now: somebody at the
    centre merged two accounts."""
    lost = {
        each.held.external_id: str((each.held.held_document or {}).get("academy_id") or "")
        for each in found
        if each.shown.get("state") != GONE
        and each.shown.get("academy_id") != (each.held.held_document or {}).get("academy_id")
    }
    if not lost or not isinstance(peer, FindsAccounts):
        return found
    holders = peer.accounts_by_stable_id(sorted(filter(None, lost.values())))
    return [
        replace(each, shown={**each.shown, "state": REPLACED})
        if holders.get(lost.get(each.held.external_id, ""))
        else each
        for each in found
    ]


def _shown(
    context: RunContext, peer: ShowsAccounts, documents: Mapping[str, Document]
) -> dict[str, Document]:
    shown: dict[str, Document] = {}
    for page in peer.show_accounts(documents):
        if isinstance(page, PageError):
            context.errors.append(("accounts compared", page.error))
        else:
            shown.update(
                (raw.external_id, cast(Document, dict(raw.fields))) for raw in page.parse()
            )
    return shown


def require_account(peer: object, account: str) -> None:
    """Raises ``NotFound`` if the system can show accounts, and does not show this one."""
    if not isinstance(peer, ShowsAccounts):
        return
    states: dict[str, object] = {}
    for page in peer.show_accounts({account: {}}):
        if isinstance(page, PageError):
            raise page.error
        states.update((raw.external_id, raw.fields.get("state")) for raw in page.parse())
    if states.get(account, GONE) == GONE:
        raise NotFound(
            "no-such-account",
            f'The centre\'s LMS has no account "{account}" that the bridge can see.',
            "Look the account's id up in the LMS: it is in the address of the person's profile.",
        )


def unneeded_accounts(
    context: RunContext, peer: object, changed: Iterable[ShownAccount]
) -> list[target_links.TargetLink]:
    """The accounts that the bridge made and nothing needs, without those that the centre changed,
    suspended or uses in a course of its own."""
    if context.policy.removal is Removal.KEEP:
        return []  # who was in a course stays there
    others = {each.held.record_id for each in changed}
    centre = context.centre
    with context.database.reading() as tx:
        found = account_links.unneeded(tx, centre.system, centre.code)
    if context.policy.unneeded is OnUnneeded.REPORT:
        found = [each for each in found if each.tolerated != _UNNEEDED]
    found = [each for each in found if each.record_id not in others]
    if not found or not isinstance(peer, KnowsUse):
        return found
    with context.lending():
        in_use = peer.accounts_in_use([each.external_id for each in found])
    return [each for each in found if each.external_id not in in_use]


def decide_about_unneeded(
    tx: Connection, context: RunContext, unneeded: Iterable[target_links.TargetLink]
) -> None:
    """Tells of accounts that nothing needs, once, or has them suspended with the next push."""
    system = context.centre.system
    for held in unneeded:
        if context.policy.unneeded is OnUnneeded.SUSPEND:
            row = {
                "system": system,
                "kind": Kind.LEARNER,
                "centre": context.centre.code,
                "record_id": held.record_id,
                "desired": GONE_HASH,
            }
            target_links.set_desired(tx, [row])
            continue
        learner = learners.learners(tx, [held.record_id])[held.record_id]
        context.note(
            Kind.LEARNER,
            system,
            "compare",
            "needed by nothing",
            record_id=held.record_id,
            external_id=held.external_id,
            error=RecordRefused(
                "account-unneeded",
                f"No enrolment needs account {held.external_id} of learner {learner.academy_id}.",
                "Nothing has to be done. The bridge suspends such accounts with "
                'policy.unneeded = "suspend".',
            ),
        )
        target_links.tolerate(tx, held.link_id, _UNNEEDED)


def keep_changed_accounts(
    tx: Connection, context: RunContext, changed: Iterable[ShownAccount]
) -> None:
    """Decides about accounts that the centre changed: the learner of a deleted one is matched
    anew, a suspended one is told of, and changed names are conflicts."""
    where = context.centre.system, Kind.LEARNER
    for account in changed:
        held, state = account.held, account.shown.get("state")
        if account.shown == held.held_document:
            agree(tx, context, Kind.LEARNER, [held])
            continue
        if state == GONE:
            forget_account(tx, context, held.record_id, held.external_id)
            continue
        if state == REPLACED:
            _leave_replaced(tx, context, held)
            continue
        names = {**account.shown, "state": ACTIVE}
        is_ours = held.created_by_us and context.policy.update_accounts
        policy = context.policy.conflict
        told = _no_login(tx, held, str(state)) if state in _NO_LOGIN else None
        label = "suspended there" if state == SUSPENDED else "cannot log in"
        if is_ours and names != held.held_document and policy is OnConflict.SOURCE:
            # The next full run tells of a suspension: the names are then as they were.
            decide_conflict(tx, context, held, names, where, policy)
        elif is_ours and names != held.held_document:
            decide_conflict(tx, context, held, account.shown, where, policy, told=told, label=label)
        elif told is not None:
            shown = {**(held.held_document or {}), "state": state}
            keep = OnConflict.KEEP
            decide_conflict(tx, context, held, shown, where, keep, told=told, label=label)


def _leave_replaced(tx: Connection, context: RunContext, held: TargetLink) -> None:
    """Another account has the learner's id now. The learner is matched with it."""
    learner = learners.learners(tx, [held.record_id])[held.record_id]
    told = RecordRefused(
        "account-replaced",
        f"Account {held.external_id} lost the ID number of learner {learner.academy_id} to "
        "another account, which is the learner's from now on.",
        "The bridge enrols the other account. If the old one is not wanted in its courses any "
        "more, end that in the LMS.",
    )
    state = "another account there"
    forget_account(tx, context, held.record_id, held.external_id, state, told)


def _no_login(tx: Connection, held: TargetLink, state: str) -> RecordRefused:
    """Words for an account to which its learner cannot log in."""
    learner = learners.learners(tx, [held.record_id])[held.record_id]
    if state == UNCONFIRMED:
        return RecordRefused(
            "account-unconfirmed",
            f"Account {held.external_id} of learner {learner.academy_id} is not confirmed.",
            "The learner cannot log in, and the LMS takes no enrolment of theirs. The learner or "
            "the centre has to confirm the account.",
        )
    if state == LOCKED:
        return RecordRefused(
            "account-locked",
            f"Account {held.external_id} of learner {learner.academy_id} has a method of "
            "authentication by which nobody can log in.",
            "Ask the centre to choose another one.",
        )
    return RecordRefused(
        "account-suspended",
        f"The centre suspended account {held.external_id} of learner {learner.academy_id}.",
        "The learner cannot log in. Ask the centre, which alone can lift that.",
    )


def forget_account(
    tx: Connection,
    context: RunContext,
    learner_id: int,
    account: str,
    state: str = "account deleted there",
    told: RecordRefused | None = None,
) -> None:
    """The account was deleted there, and the learner's enrolments with it, or it is the learner's
    no longer. The learner is matched anew, and enrolled anew."""
    system = context.centre.system
    account_links.forget(tx, system, learner_id)
    of_learner = enrolments.ids_of_learner(tx, learner_id)
    target_links.not_there(tx, system, Kind.ENROLMENT, of_learner, ended=False)
    context.note(
        Kind.LEARNER,
        system,
        "compare",
        state,
        record_id=learner_id,
        external_id=account,
        error=told,
    )
