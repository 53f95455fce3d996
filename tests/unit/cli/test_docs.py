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
from lms_bridge.schemas.parts import fields_of

_DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = (_DOCS / "commands.md").read_text(encoding="utf-8")
SETTINGS = (_DOCS / "settings.md").read_text(encoding="utf-8")


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None, f"{path} {name}"
            yield from _commands(each, f"{path} {name}")


ALL = dict(_commands(main, "lms-bridge"))


def _sections(text: str) -> dict[str, str]:
    """{heading: what follows}; headings that follow each other share what follows them all."""
    found: dict[str, str] = {}
    for match in re.finditer(r"((?:^#+ .+\n)+)((?:(?!^#).*\n?)*)", text, re.MULTILINE):
        for heading in match[1].splitlines():
            found[heading.strip("# ")] = match[2]
    return found


def test_every_command_and_option_is_documented() -> None:
    sections = _sections(COMMANDS)
    missing = [path for path in ALL if f"`{path}`" not in sections]
    for path, command in ALL.items():
        section = sections.get(f"`{path}`", "")
        for option in command.params:
            if isinstance(option, click.Option):
                longest = max(option.opts, key=len)
                if not re.search(rf"{longest}(?![\w-])", section):
                    missing.append(f"{path} {longest}")
    assert missing == []


def test_every_documented_command_and_option_exists() -> None:
    reported = {match[1] for match in re.finditer(r"^### `(.+)`$", COMMANDS, re.MULTILINE)}
    assert reported == set(ALL)
    known = {opt for command in ALL.values() for option in command.params for opt in option.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", COMMANDS)) <= known | {"--help"}


def test_every_command_has_a_help_text() -> None:
    for path, command in ALL.items():
        assert command.help, path
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "most":
                assert option.help, f"{path} {option.opts}"


def test_every_setting_is_documented() -> None:
    reported = set(re.findall(r"^\| `([a-z_.]+)` \|", SETTINGS, re.MULTILINE))
    names = set(settings.names())
    assert names <= reported
    assert {name for name in reported if "." in name} <= names


def test_every_default_is_documented() -> None:
    loaded = settings.load({})
    for section, part in settings.SECTIONS.items():
        for each in fields(part):
            name = f"{section}.{each.name}"
            row = re.search(rf"^\| `{re.escape(name)}` \| (.*?) \|", SETTINGS, re.MULTILINE)
            assert row is not None
            value = getattr(getattr(loaded, section), each.name)
            assert _as_documented(value) == row[1].strip("`"), name


def test_every_bound_is_documented() -> None:
    for section, part in settings.SECTIONS.items():
        for key, (_, bounds) in fields_of(part).items():
            if bounds is not None:
                assert re.search(
                    rf"^\| `{section}\.{key}` \| [^|]+ \| {re.escape(str(bounds))} \|",
                    SETTINGS,
                    re.MULTILINE,
                ), f"{section}.{key} may be {bounds}"


def _as_documented(value: object) -> str:
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
def test_every_option_of_a_connector_is_documented(name: str) -> None:
    section = _sections(SETTINGS)[f"`{name}`"]
    for option in installed()[name].options:
        assert f"`{option.name}`" in section, f"{name}: {option.name} is not told of"
        assert option.bounds is None or str(option.bounds) in section, f"{name}: {option.name}"


def test_every_part_of_pages_is_in_the_design() -> None:
    parts = Path(__file__).parents[3] / "lms_bridge" / "web" / "templates" / "parts.html"
    design = (_DOCS / "design.md").read_text(encoding="utf-8")
    made = re.findall(r"{% macro (\w+)\(", parts.read_text(encoding="utf-8"))
    assert [name for name in made if f"`{name}(" not in design] == []
