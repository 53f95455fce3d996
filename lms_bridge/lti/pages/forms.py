"""Forms of the connection pages: fields, typed values, and their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup

from lms_bridge.domain.errors import AddressRefused, NotFound
from lms_bridge.http.address_guard import check_address
from lms_bridge.http.origins import is_address
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.http_requests import log_refusal
from lms_bridge.web.filters import number
from lms_bridge.web.languages import said

LONGEST_ADDRESS = 2_000
LONGEST_TEXT = 255
MOST_ADDRESSES = 10
_MOST_DIGITS = 18


class FieldKind(StrEnum):
    TEXT = "text"
    ADDRESS = "address"
    ADDRESSES = "addresses"  # one a line


@dataclass(frozen=True, slots=True)
class FormField:
    """One question. ``longest`` is in characters, of each line. ``names`` is what LMSs call it,
    in English."""

    name: str
    label: str
    hint: str = ""
    kind: FieldKind = FieldKind.ADDRESS
    required: bool = True
    longest: int = LONGEST_ADDRESS
    names: str = ""


@dataclass(slots=True)
class PageForm:
    """``values`` are as typed, ``problems`` by the fields' names, in the reader's language;
    ``problem`` and ``remedy`` are those of the whole form, in English."""

    fields: Sequence[FormField]
    values: Mapping[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    remedy: str = ""

    @property
    def wrong(self) -> bool:
        return bool(self.problems or self.problem)

    def lines(self, name: str) -> tuple[str, ...]:
        """What was typed into a field of several lines, each once."""
        lines = (line.strip() for line in self.values[name].splitlines())
        return tuple(dict.fromkeys(line for line in lines if line))


def read_form(
    fields: Sequence[FormField], given: Mapping[str, str], *, private_addresses: bool
) -> PageForm:
    """Reads a form, and checks the spelling of every address by the address guard."""
    form = PageForm(fields, {each.name: given.get(each.name, "").strip() for each in fields})
    for each in fields:
        problem = _problem(each, form, private_addresses)
        if problem:
            form.problems[each.name] = problem
    return form


def _problem(of: FormField, form: PageForm, private_addresses: bool) -> str:
    lines = form.lines(of.name) if of.kind is FieldKind.ADDRESSES else (form.values[of.name],)
    if not any(lines):
        return str(gettext("Please fill this in.")) if of.required else ""
    if len(lines) > MOST_ADDRESSES:
        return str(gettext("At most %(number)s addresses, please.", number=number(MOST_ADDRESSES)))
    if any(len(line) > of.longest for line in lines):
        return str(gettext("At most %(number)s characters, please.", number=number(of.longest)))
    if not all(line.isprintable() for line in lines):
        return str(gettext("This has characters that cannot be shown."))
    if of.kind is FieldKind.TEXT:
        return ""
    problems = (_problem_of_address(line, private_addresses) for line in lines)
    return next((problem for problem in problems if problem), "")


def _problem_of_address(address: str, private_addresses: bool) -> str:
    try:
        check_address(address, private_addresses=private_addresses)
    except AddressRefused as error:
        return Markup("{} {}").format(said(error.message), said(error.remedy)).strip()
    if not is_address(address) or "#" in address:
        return str(gettext("This is not an address that a system can be called at."))
    return ""


def typed(name: str) -> str:
    """A code that a form names. Raises LtiRefused where it holds what no code can."""
    text = request.form.get(name, "").strip()
    if not text.isprintable():
        raise LtiRefused(
            "parameter-invalid", "A parameter contains a character that is not allowed."
        )
    return text


def refused(error: Exception) -> ResponseReturnValue:
    """A page that says why, with the reference of the line in the log."""
    if not isinstance(error, LtiRefused):
        raise error
    page = render_template("connections/refused.html", error=error, reference=log_refusal(error))
    return page, error.status


def onward(address: str, title: str) -> Response:
    """A page that leads on to an address elsewhere. A redirect would not do: browsers hold those
    that follow a form to the policy of the form's page, which allows the bridge alone."""
    page = make_response(render_template("connections/onward.html", address=address, title=title))
    page.headers["Referrer-Policy"] = "no-referrer"
    return page


def chosen_number(name: str) -> int:
    """The number of a connection in a form. What is no number chooses nothing, and never 0.

    Raises:
        NotFound: no connection can have it.
    """
    text = typed(name)
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise NotFound("no-such-connection", "There is no such connection.")
    return int(text)
