"""People who wait to be matched."""

from __future__ import annotations

import pytest

from lms_bridge.devtools.moodle.state import MoodleState
from tests.functional.cli.conftest import Cli, codes_of, registrations


@pytest.fixture
def waiting(alpha: Cli, site: MoodleState) -> Cli:
    """acad-1's address is that of an account without an id, acad-2 matches nobody."""
    site.people.add("somebody", "Given-acad-1", "Family-acad-1", "acad-1@example.org", id=77)
    alpha("sync")
    alpha("import", "registrations", registrations(alpha, codes_of(alpha)[0], "acad-1", "acad-2"))
    alpha("sync", code=4)
    return alpha


def test_waiting_people_are_shown_by_ids_alone(waiting: Cli) -> None:
    (row,) = waiting.json("person", "unmatched")
    assert (row["learner"], row["centre"], row["reason"]) == ("acad-1", "ALPHA", "same-email")
    assert row["accounts"][0]["account"] == "77"
    assert "acad-1" in waiting("person", "unmatched", "--centre", "ALPHA").stdout
    for name in ("Given-", "Family-", "@example.org"):
        assert name not in waiting.everything_said()


def test_each_wait_names_its_own_cause_and_the_command_that_helps(
    waiting: Cli, site: MoodleState
) -> None:
    site.people.allow_shared_emails = True
    for number in (3, 4):
        site.people.add(f"twin{number}", "Given", "Twin", "acad-3@example.org", id=70 + number)
    course = codes_of(waiting)[0]
    learners = registrations(waiting, course, "acad-1", "acad-2", "acad-3")
    waiting("import", "registrations", learners)
    said = waiting("sync", code=4).stdout
    assert "An account at the centre has their e-mail address (same-email)." in said
    assert "Several accounts at the centre have their e-mail address (shared-email)." in said
    assert "2 enrolments wait to be sent: Their learners wait for a match." in said
    assert "lms-bridge sync" not in said, "no run helps here"
    waiting("person", "match", "acad-1", "--centre", "ALPHA", "--account", "77")
    waiting("person", "match", "acad-3", "--centre", "ALPHA", "--account", "73")
    assert "wait" not in waiting("sync").stdout


def test_a_person_is_matched_with_an_account(waiting: Cli, site: MoodleState) -> None:
    waiting("person", "match", "acad-1", "--centre", "ALPHA", "--account", "77")
    assert "Nobody waits" in waiting("person", "unmatched").stdout
    assert "Nothing waits" in waiting("resend", "--centre", "ALPHA", "--list").stdout
    waiting("sync")
    assert [each.user_id for each in site.enrolments.of_user(77)] == [77]


@pytest.mark.parametrize("account", ["4711", "78", "not-a-number"])
def test_an_account_that_is_not_there_is_refused(
    account: str, waiting: Cli, site: MoodleState
) -> None:
    site.people.add("left", "Left", "Person", "left@example.org", id=78)
    site.delete_person(78)
    match = ("person", "match", "acad-1", "--centre", "ALPHA", "--account", account)
    assert account in waiting(*match, code=2).stderr
    assert waiting.json("person", "unmatched")


def test_an_account_that_nobody_suggested_is_a_warning(waiting: Cli) -> None:
    match = ("person", "match", "acad-1", "--centre", "ALPHA", "--account", "2")
    assert "not among the suggestions" in waiting(*match).stderr


def test_an_account_is_created_when_none_is_theirs(waiting: Cli, site: MoodleState) -> None:
    site.people.allow_shared_emails = True
    waiting("person", "match", "acad-1", "--centre", "ALPHA", "--create")
    waiting("sync")
    assert len(site.people.with_any("idnumber", ["acad-1"])) == 1


def test_people_are_matched_by_a_table_that_was_filled(waiting: Cli, site: MoodleState) -> None:
    file = waiting.folder / "people.csv"
    assert "1 people are in" in waiting("person", "unmatched", "--csv", str(file)).stdout
    header, row = file.read_text("utf-8-sig").splitlines()
    rows = [header, f"{row}77", f"{row}new", "ALPHA,acad-9,,,,new", row]
    file.write_text("\n".join(rows), "utf-8")
    answer = waiting("person", "match", "--file", str(file), code=1)
    assert "1 decided, 2 refused" in answer.stdout
    assert "An earlier row of the file is about the same person." in answer.stderr
    assert "row 4, ALPHA acad-9" in answer.stderr
    waiting("person", "match", "--file", str(file), code=1)
    waiting("sync")
    assert [each.user_id for each in site.enrolments.of_user(77)] == [77]
    both = ("person", "match", "acad-1", "--file", str(file))
    assert "either --file or one learner" in waiting(*both, code=2).stderr


def test_a_table_names_only_accounts_that_are_there(waiting: Cli) -> None:
    file = waiting.file("people.csv", "centre,learner,account\nALPHA,acad-1,4711\n")
    answer = waiting("person", "match", "--file", file, code=1)
    assert "has no such account" in answer.stderr
    assert waiting.json("person", "unmatched")


def test_a_match_needs_one_choice_and_a_known_person(waiting: Cli) -> None:
    match = ("person", "match", "acad-1", "--centre", "ALPHA")
    assert "either --account" in waiting(*match, code=2).stderr
    waiting(*match, "--account", "77", "--create", code=2)
    unknown = ("person", "match", "acad-9", "--centre", "ALPHA", "--create")
    assert "acad-9" in waiting(*unknown, code=2).stderr


def test_where_a_learner_is_and_why_not_is_one_answer(waiting: Cli, site: MoodleState) -> None:
    offering = codes_of(waiting)[0]
    shown = waiting("person", "where", "acad-1@example.org", offering).stdout
    assert "Account at the centre: It is not certain which account is theirs" in shown
    assert "person match acad-1 --centre ALPHA" in shown
    (found,) = waiting.json("person", "where", "acad-2", offering)["whereabouts"]
    states = {each["title"]: each["state"] for each in found["steps"]}
    assert states["Registration at the Academy"] == "done"
    assert states["Account at the centre"] == "done"
    assert states["Place in the centre's course"] == "done"
    assert states["Result"] == "none"
    assert waiting.json("person", "where", "acad-2")["courses"][0]["offering"] == offering
    waiting("person", "match", "acad-1", "--centre", "ALPHA", "--account", "77")
    waiting("sync")
    (found,) = waiting.json("person", "where", "acad-1", offering)["whereabouts"]
    assert found["steps"][2]["text"] == (
        "It is the account 77; it was there before, and was matched."
    )
    waiting("person", "where", "nobody", code=2)
    assert "@example.org" not in waiting("person", "where", "acad-1", offering).stdout
