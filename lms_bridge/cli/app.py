"""The command `lms-bridge` itself, and what it does with errors."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.cli import exits
from lms_bridge.cli.centre import centre
from lms_bridge.cli.db import db
from lms_bridge.cli.demo import demo
from lms_bridge.cli.exporting import export
from lms_bridge.cli.hold import hold
from lms_bridge.cli.importing import import_
from lms_bridge.cli.keys import keys
from lms_bridge.cli.lti import lti
from lms_bridge.cli.output import printable
from lms_bridge.cli.person import person
from lms_bridge.cli.resend import resend
from lms_bridge.cli.run import run
from lms_bridge.cli.schedule import schedule
from lms_bridge.cli.serve import serve, worker
from lms_bridge.cli.session import Session
from lms_bridge.cli.settings import settings
from lms_bridge.cli.sync import sync
from lms_bridge.cli.token import token
from lms_bridge.cli.webhook import webhook
from lms_bridge.domain.errors import BridgeError


class Guarded(click.Group):
    """Turns the errors that the bridge raises on purpose into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BridgeError as error:
            _complain(error.message, error.remedy)
            ctx.exit(exits.of_error(error))
        except SQLAlchemyError as error:
            # never its own words: they hold the statement's values, which may be personal
            _complain(
                f"The database did not do its part ({type(error).__name__}).",
                "Is it running, and has its disk room?",
            )
            ctx.exit(exits.SOME_FAILED)


def _complain(message: str, remedy: str) -> None:
    click.echo(f"{click.style('Error:', fg='red')} {printable(message)}", err=True)
    if remedy:
        click.echo(printable(remedy), err=True)


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lms-bridge", prog_name="lms-bridge")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Carries course offerings, enrolments and results between the ITU Academy and its training
    centres' LMSs.

    Exit codes: 0 done, 1 something failed, 2 wrong usage or settings, 3 only an approval is
    missing (see `lms-bridge hold list`).
    """
    if ctx.obj is None:
        ctx.obj = Session()
    if ctx.obj.environment.get("NO_COLOR"):
        ctx.color = False


for command in (
    centre,
    db,
    demo,
    export,
    hold,
    import_,
    keys,
    lti,
    person,
    resend,
    run,
    schedule,
    serve,
    settings,
    sync,
    token,
    webhook,
    worker,
):
    main.add_command(command)
