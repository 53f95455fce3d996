"""The public profile of a centre: what people and catalogues are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.audit import Actor, Change, Subject, changed_fields, record
from lms_bridge.domain.document import document
from lms_bridge.domain.errors import AddressRefused, Refused
from lms_bridge.domain.model import Centre
from lms_bridge.domain.network import CentreProfile
from lms_bridge.http.address_guard import check_address
from lms_bridge.network.decision import NetworkDecision, asked_of, find_centre
from lms_bridge.schemas import codes
from lms_bridge.store import centres

MOST_NAMES = 50
LONGEST_NAME, LONGEST_ADDRESS = 255, 2000


def change_profile(
    code: str, changes: Mapping[str, Any], *, by: Actor
) -> NetworkDecision[tuple[Centre, CentreProfile]]:
    """Changes fields of a centre's profile, or its country. Of ``names`` an empty one is removed,
    and languages that are not named stay.

    Raises:
        NotFound: there is no such centre.
        Refused: a value cannot be used; the message names the field.
    """

    def act(tx: Connection) -> tuple[Centre, CentreProfile]:
        centre = find_centre(tx, code)
        before = centres.profile_of(tx, code)
        values = dict(changes)
        country = values.pop("country", None)
        if "names" in values:
            values["names"] = _names({**before.names, **values["names"]})
        after = replace(before, **values)
        _check(after)
        moved = centre if country is None else replace(centre, country=_country(country))
        centres.keep_profile(tx, code, after)
        if moved != centre:
            centres.change(tx, moved)
        fields = changed_fields(
            {**document(before), "country": centre.country},
            {**document(after), "country": moved.country},
        )
        record(tx, by, Change(Subject.CENTRE, "profile", None, code, fields, code))
        return moved, after

    return NetworkDecision(by, asked_of(Subject.CENTRE, "profile", code, code), act)


def _names(given: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for language, name in given.items():
        try:
            tag = codes.language(language)
        except codes.NoSuchCode as error:
            raise _refused("names", f'"{language[:20]}" {error}') from None
        if not tag:
            raise _refused("names", "a name has no language")
        if len(name) > LONGEST_NAME:
            raise _refused("names", f"a name is longer than {LONGEST_NAME} characters")
        if name.strip():
            found[tag] = name.strip()
    if len(found) > MOST_NAMES:
        raise _refused("names", f"there are more than {MOST_NAMES}")
    return found


def _country(text: str) -> str:
    try:
        return codes.country(text)
    except codes.NoSuchCode as error:
        raise _refused("country", f'"{text[:20]}" {error}') from None


def _check(profile: CentreProfile) -> None:
    for field, longest in (("city", 255), ("contact", 255), ("site", LONGEST_ADDRESS)):
        if len(getattr(profile, field)) > longest:
            raise _refused(field, f"it is longer than {longest} characters")
    for field, address in (("site", profile.site), ("logo", profile.logo)):
        if not address:
            continue
        if len(address) > LONGEST_ADDRESS:
            raise _refused(field, f"it is longer than {LONGEST_ADDRESS} characters")
        try:
            # Everybody's browser goes there: public and https, even where the bridge itself may
            # reach private addresses.
            check_address(address, private_addresses=False)
        except AddressRefused as error:
            raise _refused(field, error.message) from None


def _refused(field: str, why: str) -> Refused:
    return Refused("profile-invalid", f"The profile's {field} cannot be used: {why.rstrip('.')}.")
