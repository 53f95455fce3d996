"""Options of centres as they are typed, and secrets that are never shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from marshmallow import ValidationError

from lms_bridge.api.documents import NO_PROFILE, centre_document
from lms_bridge.bridge import Bridge
from lms_bridge.cron import check as check_cron
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Centre
from lms_bridge.domain.network import CentreProfile, Membership
from lms_bridge.domain.policy import OwnTimes, Policy
from lms_bridge.domain.ports import Closes, Connector, Limits, Option
from lms_bridge.jobs.schedule import CATALOGUE
from lms_bridge.network.memberships import NewMembership
from lms_bridge.reference import Reference, reference
from lms_bridge.registry import connector
from lms_bridge.schemas.fields import zone
from lms_bridge.schemas.parts import read_part

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def connector_options(
    typed: Iterable[str], declared: Iterable[Option], before: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    """The options over those of ``before``, in their kinds' types, and every problem.

    An empty value brings the default back. `name.entry=value` sets one entry of a map.
    """
    known = {option.name: option for option in declared}
    options: dict[str, object] = dict(before)
    problems = []
    for pair in typed:
        name, equals, value = pair.partition("=")
        name, dot, entry = name.strip().partition(".")
        if not equals:
            problems.append(f"option {pair}: is not name=value")
        elif name not in known:
            there = ", ".join(known) or "none"
            problems.append(f"option {name}: there is none; there are: {there}")
        elif known[name].kind == "map" and (dot or value):
            problems.extend(_set_entry(options, name, entry, value))
        elif not value:
            options.pop(name, None)
        else:
            try:
                options[name] = _value(known[name].kind, value.strip())
            except ValueError as error:
                problems.append(f"option {name}: {error}")
    return options, problems


def _set_entry(options: dict[str, object], name: str, entry: str, value: str) -> Iterable[str]:
    if not entry:
        yield f"option {name}: is set entry by entry: {name}.entry=value"
        return
    old = options.get(name)
    options[name] = {**(old if isinstance(old, Mapping) else {}), entry: value.strip()}


def _value(kind: str, text: str) -> object:
    if kind == "number":
        return _number(text)
    if kind == "flag":
        if text.lower() not in _FLAGS:
            raise ValueError("is neither true nor false")
        return _FLAGS[text.lower()]
    if kind == "list":
        items = [item.strip() for item in text.split(",")]
        return [int(item) if item.isdecimal() else item for item in items if item]
    return text


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ValueError("is not a number") from None


def policy_values(
    typed: Iterable[str], before: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    """A centre's own policy, limits and night over those of ``before``, and every problem."""
    values: dict[str, object] = dict(before)
    problems = []
    for pair in typed:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals:
            problems.append(f"policy {pair}: is not name=value")
        elif not value.strip():
            values.pop(name, None)
        else:
            values[name] = value.strip()
    return _read(values, problems), problems


def _read(values: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    read: dict[str, object] = {}
    left = dict(values)
    if CATALOGUE in left:
        read[CATALOGUE] = left.pop(CATALOGUE)
        problems.extend(_cron_problems(str(read[CATALOGUE])))
    parts: tuple[type[Any], ...] = (Policy, Limits, OwnTimes)
    for part in parts:
        own = {name: left.pop(name) for name in part.__slots__ if name in left}
        made, found = read_part(part, own, "policy")
        problems.extend(found)
        read.update((name, plain(getattr(made, name))) for name in own)
    names = (name for part in parts for name in part.__slots__)
    allowed = ", ".join((*names, CATALOGUE))
    problems.extend(f"policy {name}: there is none; there are: {allowed}" for name in left)
    return read


def _cron_problems(expression: str) -> Iterator[str]:
    try:
        check_cron(expression)
    except ValueError as error:
        yield f"policy {CATALOGUE}: is not a cron expression: {error}"


LONGEST_CODE = 40
_CODE = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class TypedCentre:
    """What was typed of a centre; None and empty tuples mean that it was not."""

    name: str | None = None
    region: str | None = None
    country: str | None = None
    languages: tuple[str, ...] = ()
    time_zone: str | None = None
    connector: str | None = None
    address: str | None = None
    options: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()


def centre_of(typed: TypedCentre, before: Centre) -> tuple[Centre, list[str]]:
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
        declared = ()  # `problems_of` reports it once
        options: dict[str, object] = {}
    else:
        # the options of another connector mean nothing to this one
        options, problems = connector_options(
            typed.options, declared, {} if other else before.options
        )
    policy, found = policy_values(typed.policy, before.policy)
    return replace(named, options=options, policy=policy), problems + found


def typed_memberships(code: str, typed: Iterable[str]) -> list[NewMembership]:
    """Each is `CYCLE` or `CYCLE=AREA;AREA`."""
    found = []
    for text in typed:
        cycle, _, areas = text.partition("=")
        named = [area.strip() for area in areas.split(";") if area.strip()]
        found.append(NewMembership(code, cycle.strip(), priority_areas=named))
    return found


def membership_problems(memberships: Iterable[NewMembership], known: Collection[str]) -> list[str]:
    """``known`` are the names of the cycles that there are."""
    there = ", ".join(known) or "none yet"
    return [
        f"membership {each.cycle}: is no cycle; there are: {there}"
        for each in memberships
        if each.cycle not in known
    ]


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


def _connector_problems(kind: Connector, centre: Centre, secret: str, bridge: Bridge) -> list[str]:
    """The connector's own problems with the address, the secret and its options."""
    problems = []
    if kind.needs_address and not centre.address:
        problems.append("address: is missing")
    try:
        opened = kind.open(bridge.access_to(centre, kind, secret))
    except SettingsInvalid as error:
        reported = bool(problems)
        return problems + [p for p in error.problems if not (reported and p.startswith("address"))]
    if isinstance(opened, Closes):
        opened.close()
    return problems


def centre_as_json(
    centre: Centre, memberships: Sequence[Membership] = (), profile: CentreProfile = NO_PROFILE
) -> Mapping[str, object]:
    """A centre without its secret: the document of the API, and how its LMS is reached."""
    return {
        **centre_document(centre, memberships, profile),
        "connector": centre.connector,
        "address": centre.address,
        "options": dict(centre.options),
        "policy": dict(centre.policy),
    }
