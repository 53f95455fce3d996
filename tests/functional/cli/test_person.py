"""People who wait to be matched."""

from __future__ import annotations

import pytest

from lms_bridge.simulators.moodle import MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations


@pytest.fixture
def waiting(alpha: Cli, site: MoodleState) -> Cli:
    """acad-1's address is that of an account without an id, acad-2 matches nobody."""
    site.people.add("somebody", "Given-acad-1", "Family-acad-1", "acad-1@example.org", id=77)
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1", "acad-2"))
    alpha("sync")
    return alpha


def test_shown_by_ids_alone(waiting: Cli) -> None:
    (row,) = waiting.json("person", "unmatched")
    assert (row["learner"], row["centre"], row["reason"]) == ("acad-1", "ALPHA", "same-email")
    assert row["accounts"][0]["account"] == "77"
    assert "acad-1" in waiting("person", "unmatched", "--centre", "ALPHA").stdout
    for name in ("Given-", "Family-", "@example.org"):
        assert name not in waiting.everything_said()


def test_matched_with_an_account(waiting: Cli, site: MoodleState) -> None:
    waiting("person", "match", "acad-1", "--centre", "ALPHA", "--account", "77")
    assert "Nobody waits" in waiting("person", "unmatched").stdout
    assert "Nothing waits" in waiting("resend", "--centre", "ALPHA", "--list").stdout
    waiting("sync")
    assert [each.user_id for each in site.enrolments.of_user(77)] == [77]


def test_an_account_that_nobody_suggested_is_a_warning(waiting: Cli) -> None:
    match = ("person", "match", "acad-1", "--centre", "ALPHA", "--account", "2")
    assert "not among the suggestions" in waiting(*match).stderr


def test_an_account_is_created_when_none_is_theirs(waiting: Cli, site: MoodleState) -> None:
    site.people.allow_shared_emails = True
    waiting("person", "match", "acad-1", "--centre", "ALPHA", "--create")
    waiting("sync")
    assert len(site.people.with_any("idnumber", ["acad-1"])) == 1


def test_wrong_usage(waiting: Cli) -> None:
    match = ("person", "match", "acad-1", "--centre", "ALPHA")
    assert "either --account" in waiting(*match, code=2).stderr
    waiting(*match, "--account", "77", "--create", code=2)
    unknown = ("person", "match", "acad-9", "--centre", "ALPHA", "--create")
    assert "acad-9" in waiting(*unknown, code=2).stderr
