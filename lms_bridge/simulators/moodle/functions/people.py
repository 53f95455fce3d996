"""Looking people up. A person whose searched field the caller may not see isn't found."""

import re
from typing import Any

from lms_bridge.simulators.moodle.errors import MoodleError, invalid_parameter
from lms_bridge.simulators.moodle.site.records import User
from lms_bridge.simulators.moodle.wire.cleaning import clean
from lms_bridge.simulators.moodle.wire.signature import Params

from .call import Call
from .details import ACCOUNT_FIELDS, Sight, add_pictures, plain

LOOKUP_TYPES = {"id": "int", "idnumber": "raw", "username": "username", "email": "raw_trimmed"}
EXACT = ("id", "idnumber", "username", "auth")
WILD = ("email", "firstname", "lastname")


def get_users_by_field(call: Call, params: Params) -> list[dict[str, Any]]:
    """The people with exactly one of the values, by id; those not found are left out."""
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


def _rows(call: Call, users: list[User], searched: tuple[str, ...] | list[str]) -> list[Any]:
    sight = Sight.of(call, in_course=False)
    fields = sight.fields(None, middle=ACCOUNT_FIELDS)
    if not set(searched) <= {*fields, "auth"}:
        return []
    rows = []
    for user in users:
        if sight.sees(user):
            row = plain(user, fields)
            add_pictures(row, sight, None)
            rows.append(row)
    return rows
