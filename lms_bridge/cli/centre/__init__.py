"""`lms-bridge centre`: the training centres and how their LMSs are reached."""

import click

from lms_bridge.cli.centre.check import check
from lms_bridge.cli.centre.keeping import add, change, disable, enable
from lms_bridge.cli.centre.showing import list_, show


@click.group()
def centre() -> None:
    """Training centres and how their LMSs are reached."""


for command in (add, list_, show, check, change, enable, disable):
    centre.add_command(command)
