"""Forms: what is asked for, what was typed, and what is wrong with it, field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lms_bridge.addresses import check_address
from lms_bridge.domain.errors import AddressRefused
from lms_bridge.lti.tool.reading import is_address

LONGEST_ADDRESS = 2_000
LONGEST_TEXT = 255
MOST_ADDRESSES = 10


class Kind(StrEnum):
    TEXT = "text"
    ADDRESS = "address"
    ADDRESSES = "addresses"  # one a line


@dataclass(frozen=True, slots=True)
class Field:
    """One question. ``longest`` is in characters, of each line."""

    name: str
    label: str
    hint: str = ""
    kind: Kind = Kind.ADDRESS
    required: bool = True
    longest: int = LONGEST_ADDRESS


@dataclass(slots=True)
class Form:
    """``values`` are as typed, ``problems`` by the fields' names; ``problem`` is that of the whole
    form."""

    fields: Sequence[Field]
    values: Mapping[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def wrong(self) -> bool:
        return bool(self.problems or self.problem)

    def lines(self, name: str) -> tuple[str, ...]:
        """What was typed into a field of several lines, each once."""
        lines = (line.strip() for line in self.values[name].splitlines())
        return tuple(dict.fromkeys(line for line in lines if line))


def read(fields: Sequence[Field], given: Mapping[str, str], *, private_addresses: bool) -> Form:
    """Reads a form; every address passes the address guard's look at its spelling."""
    form = Form(fields, {each.name: given.get(each.name, "").strip() for each in fields})
    for each in fields:
        problem = _problem(each, form, private_addresses)
        if problem:
            form.problems[each.name] = problem
    return form


def _problem(of: Field, form: Form, private_addresses: bool) -> str:
    lines = form.lines(of.name) if of.kind is Kind.ADDRESSES else (form.values[of.name],)
    if not any(lines):
        return "Please fill this in." if of.required else ""
    if len(lines) > MOST_ADDRESSES:
        return f"At most {MOST_ADDRESSES} addresses, please."
    if any(len(line) > of.longest for line in lines):
        return f"At most {of.longest:,} characters, please."
    if not all(line.isprintable() for line in lines):
        return "This has characters that cannot be shown."
    if of.kind is Kind.TEXT:
        return ""
    problems = (_problem_of_address(line, private_addresses) for line in lines)
    return next((problem for problem in problems if problem), "")


def _problem_of_address(address: str, private_addresses: bool) -> str:
    try:
        check_address(address, private_addresses=private_addresses)
    except AddressRefused as error:
        return f"{error.message} {error.remedy}".strip()
    if not is_address(address) or "#" in address:
        return "This is not an address that a system can be called at."
    return ""
