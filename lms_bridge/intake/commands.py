"""`lms-bridge schedule`: pushes a centre's schedule from a file."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import click
import orjson

from lms_bridge.bridge import Bridge
from lms_bridge.console import session
from lms_bridge.console.output import clean, print_json, print_line, shortened, warn
from lms_bridge.console.progress import watching
from lms_bridge.console.secret_input import TokenSource, token_options
from lms_bridge.console.session import current_session, json_option, with_bridge
from lms_bridge.console.summary import LONGEST
from lms_bridge.domain.errors import NotUnderstood, Overloaded, Refused
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.domain.ports import Limits
from lms_bridge.domain.system_errors import system_reason
from lms_bridge.http.client import Http, Response
from lms_bridge.intake.apply import scan
from lms_bridge.intake.csv import template as template_of
from lms_bridge.intake.formats import MOST_BYTES, Body, format_of
from lms_bridge.intake.push import Push, apply_any
from lms_bridge.intake.report import PushReport
from lms_bridge.sync.context import Progress, RunContext, dry_run_of
from lms_bridge.sync.run import RunReport
from lms_bridge.sync.run_state import BUSY

_COLOURS = {"created": "green", "updated": "yellow", "held": "yellow", "refused": "red"}


MOST_ALIKE = 20
"""Notes of one kind that are shown row by row; the others are counted."""


def show(report: Mapping[str, Any]) -> None:
    """Prints refused rows, warnings, the changes of a dry run, and the summary."""
    noted: Counter[str] = Counter()
    for row in report["rows"]:
        noted.update(warning["message"] for warning in row["warnings"])
        frequent = {each for each, number in noted.items() if number > MOST_ALIKE}
        lines = list(_lines(row, frequent, whole=report["dry_run"]))
        if lines or (report["dry_run"] and row["outcome"] != "unchanged"):
            name = f" {clean(row['id'])}" if row["id"] else ""
            print_line(f"Row {row['row']}{name}: {row['outcome']}", _COLOURS.get(row["outcome"]))
        for line in lines:
            print_line(f"    {line}")
    for message, number in noted.items():
        if number > MOST_ALIKE:
            print_line(clean(f"note: {number - MOST_ALIKE:,} more rows: {message}"))
    for ended in report["ended"]:
        print_line(f"{clean(ended['id'])} ({ended['code']}): {_ENDINGS[ended['outcome']]}", "red")
    for note in report["notes"]:
        print_line(clean(note), "red")
    print_line(clean(report["summary"]["message"]))
    if report["hold"]:
        print_line(f"Look at it: lms-bridge hold show {report['hold']}")


_ENDINGS = {
    "ended": "no longer named: ended",
    "held": "no longer named: would end",
    "kept": "no longer named: stays, as was decided",
}


def _lines(row: Mapping[str, Any], frequent: Collection[str], *, whole: bool) -> Iterator[str]:
    """``frequent`` are notes that enough rows have shown already."""
    for problem in row["problems"]:
        message = clean(problem["message"])
        yield f"{clean(problem['field'])} {message}" if problem["field"] else message
    for warning in row["warnings"]:
        if warning["message"] in frequent:
            continue
        yield clean(f"note: {warning['message']}")
    for change in row["changes"] if whole else ():
        before, after = (_text(change[side]) for side in ("before", "after"))
        arrow = f"{before} -> " if before else ""
        yield f"{clean(change['field'])}: {arrow}{after or '(empty)'}"


def _text(value: object) -> str:
    if value in (None, "", []):
        return ""
    if isinstance(value, list):
        return shortened("; ".join(_text(each) for each in value), LONGEST)
    if isinstance(value, Mapping):
        return " ".join(_text(each) for each in value.values())
    return shortened(clean(value), LONGEST)


# A push into the bridge on this machine.


def push_here(
    bridge: Bridge,
    code: str,
    octets: bytes,
    media: str,
    *,
    whole: bool,
    dry: bool,
    quiet: bool,
) -> Mapping[str, Any]:
    """Pushes and returns the report, as the API would.

    Raises:
        NotFound: there is no such centre.
        Refused: the file cannot be read, or is too large.
        Overloaded: the centre is being synced, and was not done while we waited.
    """
    centre = bridge.centre(code)
    if len(octets) > MOST_BYTES:
        raise Refused("too-large", f"The file has more than {MOST_BYTES:,} bytes.", "Split it.")
    body = Body(octets, media, centre.time_zone)
    push = Push(body, scan(body), whole)
    if dry:
        context = dry_run_of(bridge.database, centre, bridge.policy_of(centre))
        report = apply_any(context, push, bridge.settings.rules)
    else:
        with watching([centre.code], quiet=quiet) as watch:
            report, ran = _in_turn(bridge, centre, push, watch.progress)
            watch.done(ran)
    document: Mapping[str, Any] = orjson.loads(orjson.dumps(report.document()))
    return document


def _in_turn(
    bridge: Bridge, centre: Centre, push: Push, progress: Progress
) -> tuple[PushReport, RunReport]:
    reports: list[PushReport] = []

    def act(context: RunContext) -> None:
        reports.append(apply_any(context, push, bridge.settings.rules))

    request = bridge.request(centre, (Flow.OFFERINGS,), trigger="push")
    ran = bridge.in_turn(centre, lambda: bridge.runner(progress).run(request, act))
    if ran.status == BUSY:
        raise Overloaded(
            "centre-busy",
            f"{centre.code} is being synced at the moment. Nothing was changed.",
            "Try again in a while.",
        )
    if not reports:
        raise ran.errors[0][1]
    return reports[0], ran


# A push to a remote bridge, through its API.

_SECONDS = 600.0
_STATUSES = (400, 404, 405, 409, 412, 413, 415, 422)
"""Error statuses whose problem document is shown."""
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Remote:
    """A bridge elsewhere."""

    address: str
    token: str = field(repr=False)


def push_there(
    remote: Remote,
    code: str,
    octets: bytes,
    media: str,
    *,
    whole: bool,
    dry: bool,
    quiet: bool,
) -> Mapping[str, Any]:
    """Pushes and returns the report. A lost response is requested again; the idempotency key keeps
    the push from being done twice.

    Raises:
        Refused: the other bridge says what is wrong with the request.
        RetryLater, StopRun: it cannot be reached, or does not know the token.
    """
    place = urlsplit(remote.address)
    if place.scheme == "http" and place.hostname not in _LOCAL:
        warn("The token goes over a connection that is not encrypted.")
    if not quiet:
        print_line(f"Sending {len(octets) / 1_000_000:.1f} MB to {place.hostname} ...")
    address = f"{remote.address.rstrip('/')}/api/v1/centres/{quote(code, safe='')}/schedule"
    http = Http(Limits(read_seconds=_SECONDS), private_addresses=True, system="The bridge")
    try:
        response = http.request(
            "PUT" if whole else "PATCH",
            f"{address}?dry_run=true" if dry else address,
            headers={
                "Authorization": f"Bearer {remote.token}",
                "Content-Type": media,
                "Idempotency-Key": str(uuid.uuid4()),
            },
            body=octets,
            repeatable=True,
            returns=_STATUSES,
        )
    finally:
        http.close()
    document = _json(response)
    if response.status != 200:
        raise Refused(
            str(document.get("code") or "refused"),
            str(document.get("detail") or f"The bridge answered with {response.status}."),
            str(document.get("remedy") or ""),
        )
    if "summary" not in document:
        raise _no_bridge()
    return document


def _json(response: Response) -> Mapping[str, Any]:
    try:
        document = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise _no_bridge()
    return document


def _no_bridge() -> NotUnderstood:
    return NotUnderstood(
        "not-understood",
        "The server at this address is not a bridge.",
        "Use the address of its pages, without /api.",
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--centre", "code", required=True, help="The centre whose schedule it is.")
@click.option(
    "--whole",
    is_flag=True,
    help="The file is complete: offerings of earlier files that it leaves out are ended.",
)
@click.option("--dry-run", is_flag=True, help="Show every change, field by field; make none.")
@json_option
@click.option(
    "--url",
    default="",
    help="The address of a remote bridge, such as https://bridge.example.org. Needs a token.",
)
@token_options
@click.pass_context
def push(
    ctx: click.Context,
    file: Path,
    code: str,
    whole: bool,
    dry_run: bool,
    in_json: bool,
    url: str,
    token_stdin: bool,
    token_env: str | None,
) -> None:
    """Pushes the offerings of FILE. Its name ends in .json, .csv or .ics."""
    octets, media = _read(file)
    source = TokenSource(token_env, token_stdin)
    if url:
        if not source.named:
            raise Refused("no-token", "--url needs a token: use --token-env or --token-stdin.")
        remote = Remote(url, source.read())
        report = push_there(remote, code, octets, media, whole=whole, dry=dry_run, quiet=in_json)
    else:
        with current_session().bridge() as bridge:
            report = push_here(bridge, code, octets, media, whole=whole, dry=dry_run, quiet=in_json)
    if in_json:
        print_json(report)
    else:
        show(report)
    ctx.exit(_exit(report))


def _read(file: Path) -> tuple[bytes, str]:
    media = format_of(str(file))
    try:
        return file.read_bytes(), media
    except OSError as error:
        raise Refused("file-unreadable", f"{file}: {system_reason(error)}.") from None


def _exit(report: Mapping[str, Any]) -> int:
    if report["summary"]["refused"] or report["notes"]:
        return session.SOME_FAILED
    return session.ALL_DONE if report["hold"] is None else session.WAITS_FOR_APPROVAL


@click.command()
@click.argument("file", type=click.File("wb", atomic=True), default="-")
@click.option("--centre", "code", required=True, help="The centre whose schedule it will be.")
@with_bridge
def template(bridge: Bridge, file: BinaryIO, code: str) -> None:
    """Writes an empty table to FILE, else to standard output, with the columns, what each may
    hold, and an example."""
    centre = bridge.centre(code)
    file.writelines(template_of(centre))
    if getattr(file, "name", "-") not in ("-", "<stdout>"):
        print_line(f"The table for {centre.code} is in {file.name}.")
