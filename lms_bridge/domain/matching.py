"""Who is who between systems: stable ids decide, links always, e-mail only suggests."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lms_bridge.domain.model import Learner
from lms_bridge.domain.ports import Account


def email_key(email: str) -> str:
    """An e-mail address as it is compared: case and Unicode form do not count. Not ``casefold``: it
    takes "ß" for "ss", and those are two mailboxes, perhaps at two servers."""
    return unicodedata.normalize("NFKC", email).strip().lower()


def name_key(name: str) -> str:
    """A name as it is compared: case, accents, punctuation and the order of words do not count."""
    bare = "".join(
        character
        for character in unicodedata.normalize("NFKD", name.casefold())
        if not unicodedata.combining(character)
    )
    # Only the plain form of letters such as the mathematical ones has a lower case.
    return " ".join(sorted(re.findall(r"\w+", bare.casefold())))


class Match(StrEnum):
    FOUND = "found"  # the account is this person's
    NOBODY = "nobody"  # no account could be theirs: one may be created
    UNSURE = "unsure"  # a person has to decide


@dataclass(frozen=True, slots=True)
class Decision:
    """Which account is the learner's, with the accounts that a person may choose from.

    ``reason``: ``stable-id``, ``email`` (allowed by the centre), ``shared-stable-id``,
    ``same-email``, ``shared-email``, ``other-stable-id`` or ``none``.
    """

    match: Match
    reason: str
    account: str = ""
    suggestions: tuple[tuple[str, str], ...] = ()


def decide(
    learner: Learner,
    by_stable_id: Sequence[Account],
    by_email: Sequence[Account],
    *,
    trust_email: bool,
) -> Decision:
    """Finds a learner's account among those that a centre's LMS holds.

    ``by_stable_id`` are the accounts that carry the Academy's id, ``by_email`` those that carry
    the learner's address. Suggestions are (account's external id, why) and hold no personal data.
    """
    if len(by_stable_id) == 1:
        return Decision(Match.FOUND, "stable-id", by_stable_id[0].external_id)
    if by_stable_id:
        return _unsure(learner, "shared-stable-id", by_stable_id)
    if not by_email:
        return Decision(Match.NOBODY, "none")
    free = [account for account in by_email if not account.stable_id]
    if len(by_email) > 1:
        return _unsure(learner, "shared-email", by_email)
    if not free:  # the address belongs to somebody with another stable id: a shared address
        return _unsure(learner, "other-stable-id", by_email)
    if trust_email:
        return Decision(Match.FOUND, "email", free[0].external_id)
    return _unsure(learner, SAME_EMAIL, free)


SAME_EMAIL = "same-email"
_SAME_NAME = "same name"


def agrees(reason: str, suggestions: Sequence[Sequence[str]]) -> bool:
    """Whether one account alone has the learner's address, and their name, too: a person may accept
    many of these at once."""
    return (
        reason == SAME_EMAIL
        and len(suggestions) == 1
        and suggestions[0][1].endswith(f", {_SAME_NAME}")
    )


def _unsure(learner: Learner, reason: str, accounts: Sequence[Account]) -> Decision:
    name = name_key(f"{learner.given_name} {learner.family_name}")
    suggestions = tuple(
        (
            account.external_id,
            f"{reason}, {_SAME_NAME}"
            if name_key(account.name) == name
            else f"{reason}, other name",
        )
        for account in accounts
    )
    return Decision(Match.UNSURE, reason, suggestions=suggestions)
