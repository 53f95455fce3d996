"""Output for people and for programs: lines, tables, one JSON document.

``click.echo`` removes styles outside of terminals. Texts of other systems lose their control
characters, which could otherwise command the terminal.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import click
import orjson
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")

STYLES: Mapping[str, str] = {
    "ok": "green",
    "done": "green",
    "approved": "green",
    "missing": "red",
    "failed": "red",
    "cut off": "red",
    "rejected": "red",
    "warning": "yellow",
    "partial": "yellow",
    "held": "yellow",
    "waiting": "yellow",
    "busy": "yellow",
    "pending": "yellow",
}
"""Words that tables colour on a terminal."""


def clean(text: object) -> str:
    """A text on one line, without characters that steer a terminal."""
    return _CONTROL.sub(" ", str(text)).strip()


def printable(text: str) -> str:
    """The same for a text of several lines, which keep their indentation."""
    return "\n".join(_CONTROL.sub(" ", line).rstrip() for line in text.splitlines())


def shortened(text: str, longest: int = 60) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def print_line(text: str = "", style: str | None = None) -> None:
    click.echo(click.style(text, fg=style) if style else text)


def warn(text: str) -> None:
    """To standard error, so that it never gets into what a program reads."""
    click.echo(click.style(f"Warning: {text}", fg="yellow"), err=True)


def is_terminal() -> bool:
    return sys.stdout.isatty()


def when(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "-"


def print_json(value: object) -> None:
    """The one JSON document of a command."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    click.echo(orjson.dumps(value, default=_plain, option=options).decode())


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table: fitted to the terminal, or in plain columns where none is."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if is_terminal():
        Console().print(_fitted(headers, cells))
        return
    lines = [list(headers), *cells]
    widths = [max(cell_len(line[place]) for line in lines) for place in range(len(headers))]
    for line in lines:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def _fitted(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    fitted = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        fitted.add_column(header, overflow="fold")
    for row in rows:
        # Text, not str: square brackets in a title are no markup
        fitted.add_row(*(Text(cell, style=STYLES.get(cell.lower(), "")) for cell in row))
    return fitted
