"""The sentences that the code can show to a reader, read from the code itself.

``python -m tests.sentences lms_bridge/network`` prints those of a room that the catalogues do not
have yet, as JSON to fill in, and on stderr where each one is.

A sentence with values is an f-string. Its msgid has each value by a name: the last identifier of
the expression, in small letters and without underscores before it. ``{offering.code}`` is
``{code}``, ``{len(rows)}`` is ``{rows}``, ``{', '.join(missing)}`` is ``{missing}``, ``{_at(row)}``
is ``{row}``, and ``{MOST_BYTES:,}`` is ``{most_bytes}``. Another expression with the same name gets
``_2``; the same expression keeps its name.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

from lms_bridge.web.languages import LANGUAGES
from lms_bridge.web.sentences import FOLDER

ROOT = Path(__file__).parent.parent
OTHERS = [each for each in LANGUAGES if each != "en"]
UNSHOWN = re.compile(
    r"(^|/)(cli|console|devtools|testing|server|migrations)/|commands\.py$|(^|/)(schemas|routes)\.py$"
    r"|^lms_bridge/(settings|reference|registry|secrets|signing|cron|store/migrate)\.py$"
    r"|^lms_bridge/api/(?!tokens|queries|offerings)|^lms_bridge/catalogue/(oeapi|atom|feed)"
)
"""Files whose texts no page shows: commands, the API's own answers, what stops the bridge from
starting, and feeds."""
SILENT_CALLS = re.compile(
    r"^(_?log\.\w+|LastingFailure|route|Code|Option|RuntimeError|TypeError|AssertionError|ImportError"
    r"|(sa\.)?text|(\w+\.)*execute|sql\.SQL)$"
)
"""Calls whose texts no page shows: the log, the documents of the API, defects, and SQL."""
SILENT_KEYWORDS = frozenset({"metadata", "description", "summary", "help"})
COMPLAINTS = frozenset({"complaint", "wrong", "refusal", "_refused", "_not_before", "_possible"})
"""Functions whose texts go on from the name of a field, or are half a sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    place: str
    has_english_values: bool = False
    """A value holds English itself, such as ``{'s' if many else ''}``."""


def of_room(room: str) -> list[Sentence]:
    """All sentences of a folder, or of a module."""
    start = ROOT / room
    paths = sorted(start.rglob("*.py")) if start.is_dir() else [start]
    names = ((path, path.relative_to(ROOT).as_posix()) for path in paths)
    return [
        each for path, name in names if not UNSHOWN.search(name) for each in _of_module(path, name)
    ]


@cache
def translations(language: str) -> dict[str, str]:
    """{text: its translation} of a catalogue, without plurals."""
    with (FOLDER / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        found = read_po(file, locale=language)
    return {each.id: str(each.string) for each in found if each.id and isinstance(each.id, str)}


def _of_module(path: Path, name: str) -> Iterator[Sentence]:
    tree = ast.parse(path.read_text("utf-8"))
    for node, is_complaint in _shown(tree, is_complaint=False):
        place = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.JoinedStr):
            text = template(node)
            if _is_sentence(re.sub(r"{\w+}", "", text)) and not _is_sql(text):
                yield Sentence(text, place, any(map(_has_english, _values(node))))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            ends = text[:1].isupper() and text.endswith((".", "?"))
            if _is_sentence(text) and (ends or is_complaint) and not _is_sql(text):
                yield Sentence(text, place)


def _shown(node: ast.AST, *, is_complaint: bool) -> Iterator[tuple[ast.AST, bool]]:
    """The texts below a node, without comments and what no page shows. A text of a complaint may
    be half a sentence."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.keyword) and node.arg in SILENT_KEYWORDS:
        return
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if SILENT_CALLS.search(called):
            return
        last = called.rpartition(".")[2]
        is_complaint = last in COMPLAINTS or last.lstrip("_")[:1].isupper()
    yield node, is_complaint
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _shown(child, is_complaint=is_complaint)


def template(node: ast.JoinedStr) -> str:
    """The msgid of an f-string."""
    names: dict[str, str] = {}
    return "".join(
        f"{{{_named(part.value, names)}}}"
        if isinstance(part, ast.FormattedValue)
        else str(getattr(part, "value", ""))
        for part in node.values
    )


def _named(value: ast.expr, names: dict[str, str]) -> str:
    source = ast.unparse(value)
    if source not in names:
        name = _last_name(value).strip("_").lower() or "value"
        is_taken = name in names.values()
        names[source] = f"{name}_2" if is_taken else name
    return names[source]


def _last_name(node: ast.AST) -> str:
    """The last identifier of an expression; a method and an index do not count."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=inner):
            return _last_name(inner)
        case ast.Call(func=called, args=args):
            inside = [name for each in args if (name := _last_name(each))]
            owner = called.value if isinstance(called, ast.Attribute) else called
            return inside[-1] if inside else _last_name(owner)
        case _:
            inside = [name for each in ast.iter_child_nodes(node) if (name := _last_name(each))]
            return inside[-1] if inside else ""


def _values(node: ast.JoinedStr) -> Iterator[ast.expr]:
    return (part.value for part in node.values if isinstance(part, ast.FormattedValue))


def _has_english(value: ast.expr) -> bool:
    """Whether one of two words of the code is chosen inside the value."""
    chosen = (node for node in ast.walk(value) if isinstance(node, ast.IfExp | ast.BoolOp))
    return any(
        isinstance(node, ast.Constant) and re.search("[A-Za-z]", str(node.value))
        for choice in chosen
        for node in ast.iter_child_nodes(choice)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _is_sentence(text: str) -> bool:
    """Three words or more."""
    return sum(bool(re.fullmatch(r"[A-Za-z']+[.,:;?]?", word)) for word in text.split()) >= 3


def _is_sql(text: str) -> bool:
    return bool(re.match(r"(SELECT|DELETE|INSERT|UPDATE|CREATE|SET|PRAGMA|COMMENT) ", text))


def missing(room: str) -> list[Sentence]:
    """The sentences of a room without an entry in one of the languages."""
    everywhere = set.intersection(*(set(translations(each)) for each in OTHERS))
    return [each for each in of_room(room) if each.text not in everywhere]


if __name__ == "__main__":
    found = [each for room in sys.argv[1:] for each in missing(room)]
    for each in found:
        note = "  HAS ENGLISH IN A VALUE" if each.has_english_values else ""
        print(f"{each.place}: {each.text!r}{note}", file=sys.stderr)
    entries = {each.text: dict.fromkeys(OTHERS, "") for each in found}
    print(json.dumps(entries, ensure_ascii=False, indent=1))
