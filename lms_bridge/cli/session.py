"""What commands share: the settings, read when first needed, and the bridge."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from lms_bridge import logs
from lms_bridge.bootstrap import Bridge, open_bridge
from lms_bridge.settings import Settings, load

Given = ParamSpec("Given")
Outcome = TypeVar("Outcome")


@dataclass
class Session:
    """One call of the command line."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @cached_property
    def settings(self) -> Settings:
        """Raises SettingsInvalid, with every problem."""
        settings = load(self.environment)
        logs.set_up(settings.log.level, as_json=settings.log.json)
        return settings

    @contextmanager
    def bridge(self) -> Iterator[Bridge]:
        with open_bridge(self.settings) as bridge:
            yield bridge


def with_bridge(
    command: Callable[Concatenate[Bridge, Given], Outcome],
) -> Callable[Given, Outcome]:
    """Gives a command the bridge as its first argument, and closes it at the end."""

    @wraps(command)
    def run(*args: Given.args, **options: Given.kwargs) -> Outcome:
        session = click.get_current_context().find_object(Session)
        if session is None:
            raise RuntimeError("commands run under `main`, which makes their session")
        with session.bridge() as bridge:
            return command(bridge, *args, **options)

    return run
