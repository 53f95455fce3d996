"""The command `lms-bridge` itself, and how it shows errors.

It imports no command and no database, so `--help`, `--version` and shell completion are quick.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from lms_bridge.cli.command_groups import GROUPS
from lms_bridge.console.lazy import Commands, LazyGroup
from lms_bridge.console.session import SOME_FAILED, CommandSession, exit_code_of
from lms_bridge.domain.errors import BridgeError

if TYPE_CHECKING:
    from lms_bridge.store.failures import StorageFailure

COMMANDS: Commands = {
    "demo": (
        "lms_bridge.devtools.demo:demo",
        "Seven sample centres with simulated Moodles and a first nightly sync.",
    ),
    "export": ("lms_bridge.intake.file_commands:export", "Writes CSV files (docs/files.md)."),
    "import": ("lms_bridge.intake.file_commands:import_", "Imports CSV files (docs/files.md)."),
    "resend": ("lms_bridge.cli.resend:resend", "Lets the next run send records again at once."),
    "serve": ("lms_bridge.cli.serve:serve", "Serves the pages and starts scheduled runs."),
    "status": (
        "lms_bridge.cli.status:status",
        "Answers in one line whether anything is wrong, and shows below what helps.",
    ),
    "sync": (
        "lms_bridge.cli.sync:sync",
        "Reads the active or the named centres, and sends the differences.",
    ),
    "worker": ("lms_bridge.cli.serve:worker", "Carries out runs from the queue in PostgreSQL."),
}


class RootGroup(LazyGroup):
    """Turns the errors that the bridge raises on purpose into one message and an exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Whatever is typed may be read by people later: names, purposes, reasons, notes."""
        return super().parse_args(ctx, [_readable(each) for each in args])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BridgeError as error:
            _print_error(error.message, error.remedy)
            ctx.exit(exit_code_of(error))
        except Exception as error:
            failure = _storage_failure(error)
            if failure is None:
                raise
            # never its own words: they hold the statement's values, which may be personal
            _print_error(f"{failure.message[:-1]} ({type(error).__name__}).", failure.remedy)
            ctx.exit(SOME_FAILED)


def _readable(argument: str) -> str:
    """An argument without invisible characters. Bytes of a file's name that are no text stay."""
    from lms_bridge.schemas.characters import visible_plain

    is_text = not any("\ud800" <= each <= "\udfff" for each in argument)
    return visible_plain(argument) if is_text else argument


def _storage_failure(error: Exception) -> StorageFailure | None:
    from lms_bridge.store.failures import storage_failure

    return storage_failure(error)


def _print_error(message: str, remedy: str) -> None:
    from lms_bridge.console.output import printable

    click.echo(f"{click.style('Error:', fg='red')} {printable(message)}", err=True)
    if remedy:
        click.echo(printable(remedy), err=True)


def _open_bridge(*arguments: Any, **options: Any) -> AbstractContextManager[Any]:
    from lms_bridge.bootstrap import open_bridge

    return open_bridge(*arguments, **options)


@click.group(
    cls=RootGroup, later=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="lms-bridge", prog_name="lms-bridge")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Carries course offerings, enrolments and results between the ITU Academy and its training
    centres' LMSs.

    Exit codes: 0 done, 1 something failed, 2 wrong usage or settings, 3 only an approval is
    missing (see `lms-bridge hold list`), 4 something else waits (see `lms-bridge status`).
    """
    if ctx.obj is None:
        ctx.obj = CommandSession(open_bridge=_open_bridge)
    if ctx.obj.environment.get("NO_COLOR"):
        ctx.color = False


for _group in GROUPS:
    main.add_command(_group)
