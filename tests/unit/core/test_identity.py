"""Who is who: stable ids decide, e-mail only suggests."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.domain.matching import Decision, Match, decide, email_key, name_key
from lms_bridge.domain.model import Learner
from lms_bridge.domain.ports import Account

LEARNER = Learner("SAMPLE-1", "Émilie", "N’Diaye Sow", "emilie@example.org")
MINE = Account("u1", "SAMPLE-1", "old@example.org", "Emilie Ndiaye")
NOBODYS = Account("u2", "", "emilie@example.org", "Sow, Émilie N'Diaye")
OTHERS = Account("u3", "SAMPLE-9", "emilie@example.org", "Someone Else")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana@Example.org", "ana@example.ORG"),
        (" ana@example.org ", "ana@example.org"),
        ("José@example.org", "José@example.org"),
        ("ａｎａ@example.org", "ana@example.org"),
    ],
)
def test_addresses_are_compared_without_case_or_form(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ana.b@example.org", "anab@example.org"),
        ("ana+itu@example.org", "ana@example.org"),
        ("jose@example.org", "josé@example.org"),
        ("strasse@example.org", "straße@example.org"),
        ("ana@strasse.example", "ana@straße.example"),
    ],
)
def test_addresses_that_only_look_alike_differ(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Émilie N'Diaye", "n’diaye EMILIE"),
        ("Müller Özgür", "ozgur  MULLER"),
        ("Nguyễn Thị Ánh", "nguyen thi anh"),
        ("王伟", "王伟"),
        ("محمد علي", "علي محمد"),
    ],
)
def test_names_are_compared_without_accents_case_and_order(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@given(st.text(max_size=40))
def test_keys_do_not_change_when_made_again(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)
    assert email_key(unicodedata.normalize("NFD", text)) == email_key(text)


def test_the_stable_id_decides_whatever_the_address_is() -> None:
    for trust in (False, True):
        found = decide(LEARNER, [MINE], [NOBODYS, OTHERS], trust_email=trust)
        assert found == Decision(Match.FOUND, "stable-id", "u1")


def test_an_address_that_changed_does_not_lose_the_person() -> None:
    moved = Learner("SAMPLE-1", "Émilie", "Sow", "new@example.org")
    assert decide(moved, [MINE], [], trust_email=False).account == "u1"


def test_nobody_may_be_created() -> None:
    assert decide(LEARNER, [], [], trust_email=False) == Decision(Match.NOBODY, "none")


def test_two_accounts_with_one_stable_id_are_for_a_person_to_settle() -> None:
    twice = [MINE, Account("u4", "SAMPLE-1", "", "Émilie N’Diaye Sow")]
    decision = decide(LEARNER, twice, [], trust_email=True)
    assert decision.match is Match.UNSURE
    assert decision.reason == "shared-stable-id"
    assert decision.suggestions == (
        ("u1", "shared-stable-id, other name"),
        ("u4", "shared-stable-id, same name"),
    )


def test_an_address_only_suggests_unless_the_centre_trusts_it() -> None:
    careful = decide(LEARNER, [], [NOBODYS], trust_email=False)
    assert (careful.match, careful.reason, careful.account) == (Match.UNSURE, "same-email", "")
    assert careful.suggestions == (("u2", "same-email, same name"),)
    assert decide(LEARNER, [], [NOBODYS], trust_email=True) == Decision(Match.FOUND, "email", "u2")


@pytest.mark.parametrize("trust", [False, True])
def test_a_shared_address_never_decides(trust: bool) -> None:
    family = [NOBODYS, Account("u5", "", "emilie@example.org", "Abdou Sow")]
    decision = decide(LEARNER, [], family, trust_email=trust)
    assert (decision.match, decision.reason) == (Match.UNSURE, "shared-email")
    decision = decide(LEARNER, [], [NOBODYS, OTHERS], trust_email=trust)
    assert (decision.match, decision.reason) == (Match.UNSURE, "shared-email")


@pytest.mark.parametrize("trust", [False, True])
def test_an_account_of_somebody_else_is_never_taken_by_address(trust: bool) -> None:
    decision = decide(LEARNER, [], [OTHERS], trust_email=trust)
    assert (decision.match, decision.reason) == (Match.UNSURE, "other-stable-id")


def test_suggestions_hold_no_personal_data() -> None:
    decision = decide(LEARNER, [], [NOBODYS, OTHERS], trust_email=False)
    reported = repr(decision.suggestions)
    for private in ("emilie", "Émilie", "Diaye", "Someone", "example.org"):
        assert private not in reported
