"""Whether a centre is in order: everything that can be told without asking its LMS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from marshmallow import ValidationError

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.centre.options import connector_options, policy_values
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Centre, Membership
from lms_bridge.domain.ports import Closes, Connector
from lms_bridge.reference import Reference, reference
from lms_bridge.registry import connector
from lms_bridge.schemas.fields import zone

LONGEST_CODE = 40
_CODE = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed of a centre; None and empty tuples mean that it was not."""

    name: str | None = None
    region: str | None = None
    country: str | None = None
    languages: tuple[str, ...] = ()
    time_zone: str | None = None
    connector: str | None = None
    address: str | None = None
    memberships: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()


def centre_of(typed: Typed, before: Centre) -> tuple[Centre, list[str]]:
    """The centre over what it was before, and the problems of what was typed as `name=value`."""
    given = {
        name: value
        for name in ("name", "region", "country", "time_zone", "connector", "address")
        if (value := getattr(typed, name)) is not None
    }
    given = {name: value.strip() for name, value in given.items()}
    other = given.get("connector", before.connector) != before.connector
    named = replace(before, **given, languages=typed.languages or before.languages)
    problems: list[str] = []
    try:
        declared = connector(named.connector, "centre").options
    except SettingsInvalid:
        declared = ()  # told once, by `problems_of`
        options: dict[str, object] = {}
    else:
        # the options of another connector mean nothing to this one
        options, problems = connector_options(
            typed.options, declared, {} if other else before.options
        )
    policy, found = policy_values(typed.policy, before.policy)
    memberships = tuple(_membership(text) for text in typed.memberships)
    centre = replace(
        named, options=options, policy=policy, memberships=memberships or before.memberships
    )
    return centre, problems + found


def _membership(text: str) -> Membership:
    """`CYCLE` or `CYCLE=AREA;AREA`."""
    cycle, _, areas = text.partition("=")
    named = tuple(area.strip() for area in areas.split(";") if area.strip())
    return Membership(cycle.strip(), priority_areas=named)


def problems_of(centre: Centre, secret: str, bridge: Bridge) -> list[str]:
    """Everything that is wrong with a centre."""
    problems = list(_own_problems(centre, reference()))
    try:
        kind = connector(centre.connector, "centre")
    except SettingsInvalid as error:
        return problems + list(error.problems)
    return problems + _connector_problems(kind, centre, secret, bridge)


def _own_problems(centre: Centre, known: Reference) -> Iterator[str]:
    if not _CODE.fullmatch(centre.code) or len(centre.code) > LONGEST_CODE:
        yield (
            f"code: is not letters, digits and single hyphens, at most {LONGEST_CODE} (AFRALTI, "
            "utm-wcc)"
        )
    if not centre.name or len(centre.name) > 255:
        yield "name: is empty or longer than 255 characters"
    if centre.region not in known.regions:
        yield f"region: is not one of: {', '.join(known.regions)}"
    if centre.country and not _COUNTRY.fullmatch(centre.country):
        yield "country: is not two capital letters, such as KE"
    for language in centre.languages:
        if not _LANGUAGE.fullmatch(language):
            yield f"language {language}: is not a language tag, such as en or zh-Hant"
    try:
        zone(centre.time_zone)
    except ValidationError as error:
        yield f"time zone: {error.messages[0]}"
    for membership in centre.memberships:
        if membership.cycle not in known.cycles:
            yield f"membership {membership.cycle}: is no cycle; there are: " + ", ".join(
                known.cycles
            )


def _connector_problems(kind: Connector, centre: Centre, secret: str, bridge: Bridge) -> list[str]:
    """What the connector itself says of the address, the secret and its options."""
    problems = []
    if kind.needs_address and not centre.address:
        problems.append("address: is missing")
    try:
        opened = kind.open(bridge.access_to(centre, kind, secret))
    except SettingsInvalid as error:
        told = bool(problems)
        return problems + [p for p in error.problems if not (told and p.startswith("address"))]
    if isinstance(opened, Closes):
        opened.close()
    return problems


def warnings_of(centre: Centre, known: Reference) -> Iterator[str]:
    """What is odd about a centre's priority areas, which the sources know only in part."""
    for membership in centre.memberships:
        cycle = known.cycles.get(membership.cycle)
        if cycle is None:
            continue
        strange = [area for area in membership.priority_areas if area not in cycle.areas]
        if strange:
            whole = "" if cycle.complete else " (its list is known in part only)"
            yield f"not among the areas of {cycle.name}{whole}: {', '.join(strange)}"
        most = cycle.most_per_centre
        if most is not None and len(membership.priority_areas) > most:
            yield f"more than {most} priority areas in {cycle.name}"


def as_json(centre: Centre) -> Mapping[str, object]:
    """A centre without its secret."""
    return {
        "code": centre.code,
        "name": centre.name,
        "region": centre.region,
        "country": centre.country,
        "languages": list(centre.languages),
        "time_zone": centre.time_zone,
        "connector": centre.connector,
        "address": centre.address,
        "options": dict(centre.options),
        "policy": dict(centre.policy),
        "memberships": [
            {"cycle": each.cycle, "status": each.status, "areas": list(each.priority_areas)}
            for each in centre.memberships
        ],
        "sample": centre.sample,
        "active": centre.active,
    }
