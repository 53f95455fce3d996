"""Reads secrets unseen: typed without an echo, from the environment, or from standard input.

No secret is an argument, because other users of the machine see those, and shells remember them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from lms_bridge.domain.errors import Refused

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class TokenSource:
    """The source of a secret, by the options."""

    variable: str | None
    stdin: bool

    @property
    def named(self) -> bool:
        return bool(self.variable) or self.stdin

    def read(self) -> str:
        """The secret from the named source.

        Raises:
            Refused: there is none.
        """
        if self.variable and self.stdin:
            raise Refused("two-token-sources", "Give --token-env or --token-stdin, not both.")
        if self.variable:
            token = os.environ.get(self.variable, "")
            missing = f"The environment has no variable {self.variable}, or it is empty."
        else:
            token = sys.stdin.readline()
            missing = "Standard input holds no token."
        if not token.strip():
            raise Refused("no-token", missing)
        return token.strip()


def ask_secret() -> str:
    """Asks at the terminal, without an echo; empty when nothing is typed."""
    try:
        answer = click.prompt(
            "Token (not shown; empty for none)", hide_input=True, default="", show_default=False
        )
    except click.Abort:
        raise Refused(
            "no-token",
            "There is no terminal to ask for the token.",
            "Name an environment variable with --token-env, or use --token-stdin.",
        ) from None
    return str(answer).strip()


def token_options(command: Command) -> Command:
    stdin = click.option(
        "--token-stdin", is_flag=True, help="Read the token from standard input (its first line)."
    )
    variable = click.option(
        "--token-env", metavar="NAME", help="Read the token from this environment variable."
    )
    return variable(stdin(command))
