"""Settings: every problem at once, and forms in Moodle's way of nesting."""

from __future__ import annotations

import pytest

from connectors.moodle import academy, centre
from connectors.moodle.form import encode, without_tags
from connectors.moodle.options import CENTRE, settings, site_address
from connectors.moodle.people import changes, new_account, username
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.ports import Access


def test_every_problem_is_told_at_once() -> None:
    options: dict[str, object] = {
        "categories": ["x"],
        "hidden": "gone",
        "batch": 0,
        "subcategories": "perhaps",
        "fields": {"colour": "x"},
        "no_such": 1,
        "role": 7,
    }
    access = Access("centre:x", "http://user:pa55@moodle.example.org", " ", options)
    with pytest.raises(SettingsInvalid) as caught:
        centre.open(access)
    problems = caught.value.problems
    assert len(problems) == 9
    assert "pa55" not in str(caught.value)
    for name in ("address", "secret", *(f"option {name}" for name in options)):
        assert any(problem.startswith(name) for problem in problems), name


def test_the_academy_needs_a_category() -> None:
    with pytest.raises(SettingsInvalid, match="category: is missing"):
        academy.open(Access("academy", "https://moodle.example.org", "token"))


def test_options_as_texts_are_read_too() -> None:
    options: dict[str, object] = {
        "categories": "2, 3",
        "batch": "50",
        "subcategories": "yes",
        "fields": {"price": "cost", "level": ""},
    }
    access = Access("centre:x", "https://moodle.example.org/sub/", "token", options)
    values = settings(access, CENTRE)
    assert (values["categories"], values["batch"], values["subcategories"]) == ([2, 3], 50, True)
    assert (values["fields"]["price"], values["fields"]["level"]) == ("cost", "")
    assert values["fields"]["modality"] == "itu_modality"


@pytest.mark.parametrize("end", ["", "/", "/webservice/rest/server.php"])
def test_the_address_may_be_given_in_several_ways(end: str) -> None:
    access = Access("centre:x", f"https://moodle.example.org/lms{end}", "token")
    assert site_address(access) == "https://moodle.example.org/lms"


def test_nested_parameters() -> None:
    form = encode({"users": [{"id": 7, "name": "Søn & Co"}], "on": True, "off": False, "no": None})
    assert form == b"users[0][id]=7&users[0][name]=S%C3%B8n+%26+Co&on=1&off=0"


def test_user_names_are_unique_and_in_moodles_characters() -> None:
    ids = ["abc", "ABC", "a:bc", "a+bc", "é", "e", "x" * 100, "x" * 99, "a.b-c_d@e"]
    names = [username(one) for one in ids]
    assert len(set(names)) == len(ids)
    assert names[0] == "itu-abc"
    assert all(len(name) <= 100 and name == name.lower() and name.isascii() for name in names)


def test_people_with_one_name_and_with_odd_names() -> None:
    wanted = {"academy_id": "a", "given_name": "", "family_name": "<b>x", "email": "a@b.ch"}
    row = new_account(wanted, "manual", set())
    assert (row["firstname"], row["lastname"], row["createpassword"]) == ("-", "b>x", True)
    assert "createpassword" not in new_account(wanted, "oidc", set())
    assert changes("7", wanted, ("given_name", "country"), set()) == {
        "id": 7,
        "firstname": "-",
        "country": "",
    }
    assert without_tags("a < b") == "a < b"
