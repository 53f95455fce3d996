"""Options: all problems are reported at once. Forms: nested parameters are encoded."""

from __future__ import annotations

import pytest

from lms_bridge.connectors.moodle import academy, centre
from lms_bridge.connectors.moodle.account_rows import changed_account, new_account, username
from lms_bridge.connectors.moodle.client import encode, without_tags
from lms_bridge.connectors.moodle.options import CENTRE, settings, site_address
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.ports import SystemAccess


def test_every_problem_is_reported_at_once() -> None:
    options: dict[str, object] = {
        "categories": ["x"],
        "hidden": "gone",
        "batch": 0,
        "subcategories": "perhaps",
        "fields": {"colour": "x"},
        "no_such": 1,
        "role": 7,
    }
    access = SystemAccess("centre:x", "http://user:pa55@moodle.example.org", " ", options)
    with pytest.raises(SettingsInvalid) as caught:
        centre.open(access)
    problems = caught.value.problems
    assert len(problems) == 9
    assert "pa55" not in str(caught.value)
    for name in ("address", "secret", *(f"option {name}" for name in options)):
        assert any(problem.startswith(name) for problem in problems), name


def test_the_academy_needs_a_category() -> None:
    with pytest.raises(SettingsInvalid, match="category: is missing"):
        academy.open(SystemAccess("academy", "https://moodle.example.org", "token"))


def test_options_may_be_texts() -> None:
    options: dict[str, object] = {
        "categories": "2, 3",
        "batch": "50",
        "subcategories": "yes",
        "fields": {"price": "cost", "level": ""},
    }
    access = SystemAccess("centre:x", "https://moodle.example.org/sub/", "token", options)
    values = settings(access, CENTRE)
    assert (values["categories"], values["batch"], values["subcategories"]) == ([2, 3], 50, True)
    assert (values["fields"]["price"], values["fields"]["level"]) == ("cost", "")
    assert values["fields"]["modality"] == "itu_modality"


@pytest.mark.parametrize("end", ["", "/", "/webservice/rest/server.php"])
def test_the_address_has_several_valid_forms(end: str) -> None:
    access = SystemAccess("centre:x", f"https://moodle.example.org/lms{end}", "token")
    assert site_address(access) == "https://moodle.example.org/lms"


def test_nested_parameters_are_encoded_with_brackets() -> None:
    form = encode({"users": [{"id": 7, "name": "Søn & Co"}], "on": True, "off": False, "no": None})
    assert form == b"users[0][id]=7&users[0][name]=S%C3%B8n+%26+Co&on=1&off=0"


def test_user_names_are_unique_and_in_moodles_characters() -> None:
    ids = ["abc", "ABC", "a:bc", "a+bc", "é", "e", "x" * 100, "x" * 99, "a.b-c_d@e"]
    names = [username(one) for one in ids]
    assert len(set(names)) == len(ids)
    assert names[0] == "itu-abc"
    assert all(len(name) <= 100 and name == name.lower() and name.isascii() for name in names)


def test_missing_names_are_filled_and_markup_is_removed() -> None:
    desired = {"academy_id": "a", "given_name": "", "family_name": "<b>x", "email": "a@b.ch"}
    row = new_account(desired, "manual", set())
    assert (row["firstname"], row["lastname"], row["createpassword"]) == ("-", "b>x", True)
    assert "createpassword" not in new_account(desired, "oidc", set())
    assert changed_account("7", desired, ("given_name", "country"), set()) == {
        "id": 7,
        "firstname": "-",
        "country": "",
    }
    assert without_tags("a < b") == "a < b"


def test_profile_fields_are_filled_and_follow_the_learner() -> None:
    desired = {"academy_id": "a-1", "given_name": "A", "email": "a@b.ch", "country": "CH"}
    profile = {"itu_id": "academy_id", "city": "country", "institution": "=ITU <Academy"}
    row = new_account(desired, "manual", set(), profile)
    assert (row["city"], row["institution"]) == ("CH", "ITU Academy")
    assert row["customfields"] == [{"type": "itu_id", "value": "a-1"}]
    changed = changed_account("7", {**desired, "country": ""}, ("country",), set(), profile)
    assert changed == {"id": 7, "country": "", "city": ""}


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ({"city": "town"}, "no field town"),
        ({"idnumber": "email"}, "idnumber is not a profile field"),
        ({"a b": "email"}, "a b is not a profile field"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(profile: dict[str, str], problem: str) -> None:
    access = SystemAccess("centre:x", "https://moodle.example.org", "t", {"profile": profile})
    with pytest.raises(SettingsInvalid, match=problem):
        settings(access, CENTRE)
