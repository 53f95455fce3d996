"""The connector's settings: declared once, read with all problems at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lms_bridge.addresses import check_address
from lms_bridge.domain.custom import ITU_FIELDS
from lms_bridge.domain.errors import AddressRefused, SettingsInvalid
from lms_bridge.domain.ports import Access, Option

_SHARED = (
    Option("fields", "map", {}, "Custom course fields: offering field = short name. Added to "
           "the itu_* defaults; an empty short name switches a field off."),
    Option("role", "text", "student", "Short name of the learners' role."),
    Option("page", "number", 1000, "People asked for in one call when a roster is read."),
    Option("witness", "number", 0, "Id of any account other than the service account, by which "
           "to tell what can be seen of people. 0: the guest and the first administrator."),
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
    Option("role_id", "number", 5, "Id of the learners' role, as enrolling needs it."),
    Option("batch", "number", 100, "Enrolments sent in one call."),
    Option("people_batch", "number", 50, "Accounts created or changed in one call."),
    Option("auth", "text", "manual", "Authentication method of new accounts. With manual and "
           "email, Moodle mails them a password."),
    Option("completion", "text", "auto", "Course completion: auto (read it) or off."),
)  # fmt: skip

ACADEMY = (
    Option("category", "number", 0, "Id of the course category in which offerings become "
           "courses. Required."),
    Option("show", "flag", True, "Whether published offerings become visible courses. Without "
           "it they stay hidden until somebody shows them."),
    Option("learner_id", "text", "idnumber", "What identifies a learner: idnumber (their ID "
           "number) or userid (moodle-<id of the account>)."),
    *_SHARED,
)  # fmt: skip

_CHOICES = {
    "hidden": ("planned", "skip"),
    "completion": ("auto", "off"),
    "learner_id": ("idnumber", "userid"),
}
_BOUNDS = {
    "page": (2, 5000),
    "witness": (0, 2**53),
    "batch": (1, 1000),
    "people_batch": (1, 500),
    "role_id": (1, 2**53),
    "category": (1, 2**53),
}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def settings(access: Access, declared: Iterable[Option]) -> dict[str, Any]:
    """The value of every declared option, in its kind's type.

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
            _check(name, value)
            values[name] = value
        except ValueError as error:
            problems.append(f"option {name}: {error}")
    if problems:
        raise SettingsInvalid(problems)
    values["fields"] = {**ITU_FIELDS, **values["fields"]}
    return values


def site_address(access: Access) -> str:
    """The site's own address, without the end that leads to its web service."""
    return access.address.strip().removesuffix("/webservice/rest/server.php").rstrip("/")


def _access_problems(access: Access) -> list[str]:
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
    unknown = [str(name) for name in given if name not in ITU_FIELDS]
    if unknown:
        raise ValueError(f"an offering has no field {', '.join(unknown)}")
    return {str(name): _text(value) for name, value in given.items()}


def _check(name: str, value: Any) -> None:
    choices = _CHOICES.get(name)
    if choices and value not in choices:
        raise ValueError(f"is not one of: {', '.join(choices)}")
    if name in _BOUNDS:
        least, most = _BOUNDS[name]
        if not least <= value <= most:
            raise ValueError("is missing" if value == 0 else f"is not from {least} to {most}")
