"""Users: looked up, created (all or nothing) and changed (a warning per row that failed)."""

from __future__ import annotations

import re
from typing import Any

from lms_bridge.devtools.moodle.facts import MoodleError, invalid_parameter, moodle_exception
from lms_bridge.devtools.moodle.functions.call import (
    ACCOUNT_FIELDS,
    Call,
    VisibleDetails,
    add_pictures,
    as_warning,
    plain_fields,
)
from lms_bridge.devtools.moodle.parameters import Params, clean
from lms_bridge.devtools.moodle.records import MoodleUser

LOOKUP_TYPES = {"id": "int", "idnumber": "raw", "username": "username", "email": "raw_trimmed"}
EXACT = ("id", "idnumber", "username", "auth")
WILD = ("email", "firstname", "lastname")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#: What PHP takes for an address: ASCII alone, no empty labels.
EMAIL = re.compile(
    rf"(?=.{{1,64}}@){_ATOM}(\.{_ATOM})*@"
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"|[^@\s]+@localhost"
)
#: Fields of the form that the simulator keeps.
KEPT = (
    "idnumber", "lang", "country", "city", "department", "institution", "auth", "timezone",
    "theme", "mailformat",
)  # fmt: skip
PASSWORD_RULES = (
    (r".{8,}", "Passwords must be at least 8 characters long."),
    (r".*[0-9]", "Passwords must have at least 1 digit(s)."),
    (r".*[a-z]", "Passwords must have at least 1 lower case letter(s)."),
    (r".*[A-Z]", "Passwords must have at least 1 upper case letter(s)."),
    (
        r".*[^a-zA-Z0-9]",
        "The password must have at least 1 special character(s) such as *, -, or #.",
    ),
)


def get_users_by_field(call: Call, params: Params) -> list[dict[str, Any]]:
    """The people with exactly one of the values, by id; those not found are left out."""
    call.enter_system()
    field, values = params["field"], params["values"]
    if field not in LOOKUP_TYPES:
        raise MoodleError(
            "core\\exception\\coding_exception",
            "codingerror",
            "Coding error detected, it must be fixed by a programmer: invalid field parameter",
        )
    for value in values:
        clean(LOOKUP_TYPES[field], value)
    return _rows(call, call.site.people.with_any(field, values), (field,))


def get_users(call: Call, params: Params) -> dict[str, Any]:
    """``{"users", "warnings"}``: people who match all criteria; ``%`` is a wildcard."""
    call.enter_system()
    tests, warnings = [], []
    for row in params["criteria"]:
        key, value = row["key"], row["value"]
        if key in EXACT:
            tests.append((key, re.compile(re.escape(value))))
        elif key in WILD:
            parts = (".*" if part == "%" else re.escape(part) for part in re.split("(%)", value))
            tests.append((key, re.compile("".join(parts), re.IGNORECASE | re.DOTALL)))
        else:
            warnings.append(_unsupported(key))
    if len({key for key, _ in tests}) != len(tests):
        raise invalid_parameter()
    found = [
        user
        for user in call.site.people
        if all(pattern.fullmatch(str(getattr(user, key))) for key, pattern in tests)
    ]
    return {"users": _rows(call, found, [key for key, _ in tests]), "warnings": warnings}


def _unsupported(key: str) -> dict[str, Any]:
    return {
        "item": key,
        "itemid": -1,
        "warningcode": "invalidfieldparameter",
        "message": f"The search key '{key}' is not supported, "
        "look at the web service documentation",
    }


def _rows(call: Call, users: list[MoodleUser], searched: tuple[str, ...] | list[str]) -> list[Any]:
    sight = VisibleDetails.of(call, in_course=False)
    fields = sight.fields(None, middle=ACCOUNT_FIELDS)
    if not set(searched) <= {*fields, "auth"}:
        return []
    rows = []
    for user in users:
        if sight.sees(user):
            row = plain_fields(user, fields)
            add_pictures(row, sight, None)
            rows.append(row)
    return rows


def check_password(password: str) -> None:
    """Answer with the site's password policy, in HTML and *as the error code*, as Moodle does."""
    broken = [text for rule, text in PASSWORD_RULES if not re.match(rule, password, re.DOTALL)]
    if broken:
        html = "".join(f"<div>{text}</div>" for text in broken)
        raise moodle_exception(html, f"error/{html}")


def create_users(call: Call, params: Params) -> list[dict[str, Any]]:
    """``[{"id", "username"}]``. Every row is checked before the first account is made."""
    call.enter_system()
    call.require("moodle/user:create")
    seen: set[str] = set()
    for row in params["users"]:
        _check_new(call, row)
        keys = {row["username"]}
        if not call.site.people.allow_shared_emails:
            keys.add("@" + row["email"].lower())
        if keys & seen:
            raise invalid_parameter()
        seen |= keys
    return [_create(call, row) for row in params["users"]]


def _check_new(call: Call, row: Params) -> None:
    people = call.site.people
    if people.taken(row["username"], row["email"]) or not row["username"]:
        raise invalid_parameter()
    _check_values(call, row)
    if row.get("createpassword"):
        return
    if not row.get("password"):
        raise invalid_parameter()
    check_password(row["password"])


def _check_values(call: Call, row: Params) -> None:
    language = row.get("lang", "")
    if language and language not in call.site.people.languages:
        raise invalid_parameter()
    if "email" in row and not EMAIL.fullmatch(row["email"]):
        raise invalid_parameter()


def _create(call: Call, row: Params) -> dict[str, Any]:
    values = {name: row[name] for name in KEPT if name in row}
    user = call.site.people.add(
        row["username"], row["firstname"], row["lastname"], row["email"], **values
    )
    return {"id": user.id, "username": user.username}


def update_users(call: Call, params: Params) -> dict[str, Any]:
    """``{"warnings"}``: one per row that failed; the other rows are done."""
    call.enter_system()
    call.require("moodle/user:update")
    warnings = []
    for row in params["users"]:
        # A language that isn't installed fails the whole call: the form itself is refused.
        _check_values(call, {"lang": row.get("lang", "")})
    for row in params["users"]:
        try:
            _update(call, row)
        except MoodleError as error:
            warnings.append(as_warning("user", row["id"], error))
    return {"warnings": warnings}


def _update(call: Call, row: Params) -> None:
    people = call.site.people
    if people.get(row["id"]) is None:
        raise moodle_exception("invaliduserid", "Invalid user ID")
    if call.site.people.is_deleted(row["id"]):
        raise moodle_exception("usernotupdateddeleted", "error/usernotupdateddeleted")
    if "email" in row:
        if not EMAIL.fullmatch(row["email"]):
            raise moodle_exception("useremailinvalid", "Invalid email address")
        if people.taken(email=row["email"], but=row["id"]):
            raise moodle_exception("useremailduplicate", "Duplicate address")
    if "username" in row and people.taken(row["username"], but=row["id"]):
        raise moodle_exception("usernameduplicate", "Username already exists")
    if row.get("password"):
        check_password(row["password"])
    names = (*KEPT, "username", "firstname", "lastname", "email", "suspended")
    people.change(row["id"], **{name: row[name] for name in names if name in row})
