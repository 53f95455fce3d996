"""Every command, option and setting is told of in the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from lms_bridge import settings
from lms_bridge.cli import main
from lms_bridge.registry import installed

_DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = (_DOCS / "commands.md").read_text(encoding="utf-8")
SETTINGS = (_DOCS / "settings.md").read_text(encoding="utf-8")


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path, command
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _commands(each, f"{path} {name}")


ALL = dict(_commands(main, "lms-bridge"))


def _sections(text: str) -> dict[str, str]:
    """{heading: what follows}; headings that follow each other share what follows them all."""
    found: dict[str, str] = {}
    for match in re.finditer(r"((?:^#+ .+\n)+)((?:(?!^#).*\n?)*)", text, re.MULTILINE):
        for heading in match[1].splitlines():
            found[heading.strip("# ")] = match[2]
    return found


@pytest.mark.parametrize("path", ALL)
def test_command(path: str) -> None:
    section = _sections(COMMANDS).get(f"`{path}`")
    assert section is not None, f"docs/commands.md has no heading for {path}"
    for option in ALL[path].params:
        if isinstance(option, click.Option):
            longest = max(option.opts, key=len)
            assert re.search(rf"{longest}(?![\w-])", section), f"{path} {longest} is not told of"


def test_nothing_is_told_of_that_does_not_exist() -> None:
    told = {match[1] for match in re.finditer(r"^### `(.+)`$", COMMANDS, re.MULTILINE)}
    assert told == set(ALL)
    known = {opt for command in ALL.values() for option in command.params for opt in option.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", COMMANDS)) <= known | {"--help"}


def test_every_command_has_a_help_text() -> None:
    for path, command in ALL.items():
        assert command.help, path
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "most":
                assert option.help, f"{path} {option.opts}"


def test_settings() -> None:
    told = set(re.findall(r"^\| `([a-z_.]+)` \|", SETTINGS, re.MULTILINE))
    names = set(settings.names())
    assert names <= told
    assert {name for name in told if "." in name} <= names


def test_defaults_are_told_as_they_are() -> None:
    loaded = settings.load({})
    for section, part in settings.SECTIONS.items():
        for each in fields(part):
            name = f"{section}.{each.name}"
            row = re.search(rf"^\| `{re.escape(name)}` \| (.*?) \|", SETTINGS, re.MULTILINE)
            assert row is not None
            value = getattr(getattr(loaded, section), each.name)
            assert _as_told(value) == row[1].strip("`"), name


def _as_told(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) or "empty"


def test_every_default_is_in_the_configuration() -> None:
    """The file that people read has every setting, with the default that the code has."""
    text = (settings.config_folder() / "default.toml").read_text(encoding="utf-8")
    for name in settings.names():
        assert re.search(rf"^{name.partition('.')[2]} = ", text, re.MULTILINE), name


@pytest.mark.parametrize("name", installed())
def test_options_of_connectors(name: str) -> None:
    section = _sections(SETTINGS)[f"`{name}`"]
    for option in installed()[name].options:
        assert f"`{option.name}`" in section, f"{name}: {option.name} is not told of"
