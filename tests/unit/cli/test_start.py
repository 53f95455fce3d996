"""What the command line imports before a command is called, and what it knows of its commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from lms_bridge.cli import main
from lms_bridge.console.lazy import LazyGroup

HEAVY = {"flask", "sqlalchemy", "alembic", "requests", "marshmallow", "lms_bridge.bootstrap"}


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, which lists every module that it imports."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lms_bridge", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def _imported(run: subprocess.CompletedProcess[str]) -> set[str]:
    return {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--version"], "version"),
        (["--help"], "Reads the active or the named centres"),
        (["centre", "--help"], "Adds a centre."),
        (["hold", "--help"], "Lists what waits for a decision."),
        (["settings", "--help"], "Shows the effective settings"),
    ],
)
def test_version_and_help_import_no_command(arguments: list[str], shown: str) -> None:
    run = _run(*arguments)
    assert run.returncode == 0
    assert shown in run.stdout
    assert "click" in _imported(run)
    assert not HEAVY & _imported(run)


@pytest.mark.parametrize(
    ("words", "position", "completed"),
    [("lms-bridge we", "1", "webhook"), ("lms-bridge centre ch", "2", "change")],
)
def test_shell_completion_imports_no_command(words: str, position: str, completed: str) -> None:
    run = _run(_LMS_BRIDGE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=position)
    assert f"plain,{completed}" in run.stdout.split()
    assert not HEAVY & _imported(run)


def test_shell_completion_completes_an_option() -> None:
    run = _run(
        _LMS_BRIDGE_COMPLETE="bash_complete", COMP_WORDS="lms-bridge sync --dry", COMP_CWORD="2"
    )
    assert run.stdout.split() == ["plain,--dry-run"]


def test_an_unknown_command_is_refused() -> None:
    run = _run("snyc")
    assert run.returncode == 2
    assert "snyc" in run.stderr


def _lazy_groups(group: click.Command) -> Iterator[LazyGroup]:
    if isinstance(group, LazyGroup):
        yield group
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from _lazy_groups(command)


def test_listed_commands_are_those_that_are_imported() -> None:
    """The name and the help in the list are the command's own."""
    groups = {group.name: group for group in _lazy_groups(main)}
    assert {"main", "centre", "lti", "webhook", "hold", "run", "settings"} < set(groups)
    for group in groups.values():
        for name, (_, help_text) in group.later.items():
            command = group.get_command(click.Context(group), name)
            assert command is not None
            assert command.name == name
            own = " ".join((command.help or "").split())
            assert own.startswith(help_text.rstrip(".")), f"{group.name} {name}"
