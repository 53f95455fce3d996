"""Creating people (all or nothing) and changing them (a warning per row that failed)."""

import re
from typing import Any

from lms_bridge.simulators.moodle.errors import MoodleError, invalid_parameter, moodle_exception
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call, as_warning

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+|[^@\s]+@localhost")
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


def check_password(password: str) -> None:
    """Answer with the site's password policy, in HTML and *as the error code*, as Moodle does."""
    broken = [text for rule, text in PASSWORD_RULES if not re.match(rule, password, re.DOTALL)]
    if broken:
        html = "".join(f"<div>{text}</div>" for text in broken)
        raise moodle_exception(html, f"error/{html}")


def create_users(call: Call, params: Params) -> list[dict[str, Any]]:
    """``[{"id", "username"}]``. Every row is checked before the first account is made."""
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
