"""The options of both Moodle connectors. Reading them reports all problems at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lms_bridge.connectors.moodle.account_rows import LEARNER_FIELDS, OWN_TEXT
from lms_bridge.domain.bounds import Bounds
from lms_bridge.domain.document import ITU_FIELDS
from lms_bridge.domain.errors import AddressRefused, SettingsInvalid
from lms_bridge.domain.ports import Option, SystemAccess
from lms_bridge.http.address_guard import check_address

_ID = Bounds(1, 2**53)

_SHARED = (
    Option("fields", "map", {}, "Custom course fields: offering field = short name. Added to "
           "the itu_* defaults; an empty short name switches a field off."),
    Option("role", "text", "student", "Short name of the learners' role."),
    Option("page", "number", 1000, "People in one call when a roster is read.",
           Bounds(2, 5000)),
    Option("witness", "number", 0, "Id of any account other than the service account, by which "
           "to tell what can be seen of people. 0: the guest and the first administrator.",
           Bounds(0, 2**53)),
)  # fmt: skip

CENTRE = (
    Option("categories", "list", [], "Ids of the course categories whose courses are offerings. "
           "Empty: the whole site."),
    Option("subcategories", "flag", False, "Whether the categories below those count too."),
    Option("publish_field", "text", "", "Short name of a checkbox course field, for example "
           "itu_publish: only ticked courses are offerings."),
    Option("hidden", "text", "planned", "What a hidden course is: planned (an offering with that "
           "status) or skip (no offering)."),
    *_SHARED,
    Option("role_id", "number", 5, "Id of the learners' role, as enrolling needs it.", _ID),
    Option("teacher_role", "number", 0, "Id of the role of the people who teach an offering. 0: "
           "the bridge gives them none.", Bounds(0, 2**53)),
    Option("batch", "number", 100, "Enrolments sent in one call.", Bounds(1, 1000)),
    Option("people_batch", "number", 50, "Accounts created or changed in one call.",
           Bounds(1, 500)),
    Option("auth", "text", "manual", "Authentication method of new accounts. With manual and "
           "email, Moodle mails them a password."),
    Option("groups", "flag", False, "Whether the learners of each offering form a group in its "
           "course, with the offering's code as ID number."),
    Option("profile", "map", {}, "Profile fields of new accounts: profile field = a field of the "
           "learner (academy_id, language, country, ...), or = and a text."),
    Option("completion", "text", "auto", "Course completion: auto (read it) or off."),
)  # fmt: skip

ACADEMY = (
    Option("category", "number", 0, "Id of the course category in which offerings become "
           "courses. Required.", _ID),
    Option("show", "flag", True, "Whether published offerings become visible courses. Without "
           "it they stay hidden until somebody shows them."),
    Option("categories", "text", "one", "Where new courses lie: one (in that category), region "
           "(in a category below it for the centre's region) or centre (in one for the centre, "
           "below that of its region)."),
    Option("format", "text", "topics", "Course format of new courses."),
    Option("learner_id", "text", "idnumber", "What identifies a learner: idnumber (their ID "
           "number) or userid (moodle-<id of the account>)."),
    Option("accounts", "flag", True, "Whether a learner whose account is suspended counts as "
           "suspended. Without it fewer calls are made."),
    *_SHARED,
)  # fmt: skip

_CHOICES = {
    "hidden": ("planned", "skip"),
    "completion": ("auto", "off"),
    "learner_id": ("idnumber", "userid"),
    "categories": ("one", "region", "centre"),
}
_PROFILE_FIELD = re.compile(r"[A-Za-z0-9_]{1,100}")
NOT_A_PROFILE_FIELD = frozenset(
    {"id", "username", "password", "auth", "email", "firstname", "lastname", "idnumber", "lang",
     "country", "suspended"}
)  # fmt: skip
"""Fields of an account that the bridge fills by itself, or never."""
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def settings(access: SystemAccess, declared: Iterable[Option]) -> dict[str, Any]:
    """The value of every declared option, with the type of its kind.

    Raises:
        SettingsInvalid: with every problem of the address, the secret and the options.
    """
    problems = _access_problems(access)
    known = {option.name: option for option in declared}
    problems += [f"option {name}: there is none" for name in access.options if name not in known]
    values: dict[str, Any] = {}
    for name, option in known.items():
        try:
            value = _value(option, access.options.get(name, option.default))
            _check(option, value)
            values[name] = value
        except ValueError as error:
            problems.append(f"option {name}: {error}")
    if problems:
        raise SettingsInvalid(problems)
    values["fields"] = {**ITU_FIELDS, **values["fields"]}
    return values


def site_address(access: SystemAccess) -> str:
    """The address of the site, without the path of its web service."""
    return access.address.strip().removesuffix("/webservice/rest/server.php").rstrip("/")


def _access_problems(access: SystemAccess) -> list[str]:
    problems = []
    try:
        check_address(site_address(access), private_addresses=access.private_addresses)
    except AddressRefused as error:
        problems.append(f"address: {error}")
    if not access.secret.strip():
        problems.append("secret: the token of the service account is missing")
    return problems


def _value(option: Option, given: object) -> Any:
    readers = {"text": _text, "number": _number, "flag": _flag, "list": _list, "map": _map}
    return readers[option.kind](given)


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError("is not a text")
    return given.strip()


def _number(given: object) -> int:
    if isinstance(given, str) and given.strip().isdecimal():
        return int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError("is not a whole number")
    return given


def _flag(given: object) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.strip().lower() in _FLAGS:
        return _FLAGS[given.strip().lower()]
    raise ValueError("is neither true nor false")


def _list(given: object) -> list[int]:
    items = given.split(",") if isinstance(given, str) else given
    if not isinstance(items, (list, tuple)):
        raise ValueError("is not a list of ids")
    return list(dict.fromkeys(_number(item) for item in items if item != ""))


def _map(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise ValueError("is not a table of names")
    return {str(name): _text(value) for name, value in given.items()}


def _check(option: Option, value: Any) -> None:
    if option.name == "fields" and (unknown := [name for name in value if name not in ITU_FIELDS]):
        raise ValueError(f"an offering has no field {', '.join(unknown)}")
    if option.name == "profile":
        _check_profile(value)
    choices = _CHOICES.get(option.name) if option.kind == "text" else None
    if choices and value not in choices:
        raise ValueError(f"is not one of: {', '.join(choices)}")
    if option.bounds is not None and (complaint := option.bounds.complaint(value)):
        raise ValueError("is missing" if value == option.default else complaint)


def _check_profile(profile: Mapping[str, str]) -> None:
    for name, source in profile.items():
        if name in NOT_A_PROFILE_FIELD or not _PROFILE_FIELD.fullmatch(name):
            raise ValueError(f"{name} is not a profile field that the bridge may fill")
        if not source.startswith(OWN_TEXT) and source not in LEARNER_FIELDS:
            known = ", ".join(LEARNER_FIELDS)
            raise ValueError(f"{name}: a learner has no field {source}; there are {known}")
