"""Groups whose commands are imported when they are called.

Importing all commands takes more than a second. A group therefore lists the names and the help of
its commands, so that help, the version and shell completion import none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

Commands = Mapping[str, tuple[str, str]]
"""Each command's name, the place of its object as ``module:attribute``, and its short help."""


class LazyGroup(click.Group):
    """``later`` are commands that are imported when they are called."""

    def __init__(self, *arguments: Any, later: Commands, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.later = later

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.later, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.later and cmd_name not in self.commands:
            module, _, attribute = self.later[cmd_name][0].partition(":")
            self.add_command(getattr(import_module(module), attribute), cmd_name)
        return super().get_command(ctx, cmd_name)

    def help_of(self, name: str) -> str:
        if name in self.later:
            return self.later[name][1]
        return self.commands[name].get_short_help_str(limit=100)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            names = self.list_commands(ctx)
            formatter.write_dl([(name, self.help_of(name)) for name in names])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [
            *(CompletionItem(name, help=self.help_of(name)) for name in names),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]
