"""What every command shares: the settings, the bridge, exit codes, who calls.

This module is loaded for `--help` and `--version`, too: nothing heavy is imported with it.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, Refused

if TYPE_CHECKING:
    from lms_bridge.audit import Actor
    from lms_bridge.settings import Settings

ALL_DONE, SOME_FAILED, WRONG_USE, WAITS_FOR_APPROVAL, SOME_WAIT = 0, 1, 2, 3, 4
"""Exit codes. A failure outranks a hold, and a hold outranks records that wait otherwise."""

NUMBER = click.IntRange(1, 2**31 - 1)
"""The number of a record, as lists show it: no database stores a larger one."""


class _Day(click.ParamType[date]):
    """A day, as ISO 8601 writes it: 2026-03-31."""

    name = "DAY"

    def convert(
        self, value: str | date, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value.strip(), "%Y-%m-%d").date()  # a day
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2026-03-31", param, ctx)


DAY = _Day()

json_option = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")

Bridge = TypeVar("Bridge")
Params = ParamSpec("Params")
Outcome = TypeVar("Outcome")


@dataclass
class CommandSession:
    """One call of the command line."""

    open_bridge: Callable[[Settings], AbstractContextManager[Any]]
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @cached_property
    def settings(self) -> Settings:
        """Raises SettingsInvalid, with every problem."""
        from lms_bridge import logs
        from lms_bridge.settings import load

        settings = load(self.environment)
        logs.set_up(settings.log.level, as_json=settings.log.json)
        return settings

    def bridge(self) -> AbstractContextManager[Any]:
        """The bridge, closed at the end of the `with` statement."""
        return self.open_bridge(self.settings)


def current_session() -> CommandSession:
    session = click.get_current_context().find_object(CommandSession)
    if session is None:
        raise RuntimeError("commands run under `main`, which makes their session")
    return session


def with_bridge(
    command: Callable[Concatenate[Bridge, Params], Outcome],
) -> Callable[Params, Outcome]:
    """Passes the bridge to a command as its first argument, and closes it at the end."""

    @wraps(command)
    def run(*args: Params.args, **options: Params.kwargs) -> Outcome:
        with current_session().bridge() as bridge:
            return command(bridge, *args, **options)

    return run


def exit_code_of(error: BridgeError) -> int:
    return WRONG_USE if isinstance(error, Refused) else SOME_FAILED


def user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "command line"


def by_command() -> Actor:
    """The person at the command line, for the audit."""
    from lms_bridge.audit import COMMAND, Actor

    return Actor(user_name(), COMMAND, utc_now())
