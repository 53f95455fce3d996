"""`lms-bridge lti`: the systems that the bridge speaks LTI with, in either direction."""

import click

from lms_bridge.cli.lti.adding import add_tool
from lms_bridge.cli.lti.deciding import approve, reject
from lms_bridge.cli.lti.inviting import connect_link, invite, invite_platform
from lms_bridge.cli.lti.launching import choose, launch_link, take_scores, unchoose
from lms_bridge.cli.lti.showing import list_, show


@click.group()
def lti() -> None:
    """Learning systems connected by LTI 1.3: tools that the bridge launches learners into, and
    platforms that launch into the bridge."""


for command in (
    *(list_, show, connect_link, invite, invite_platform, approve, reject, add_tool),
    *(launch_link, choose, unchoose, take_scores),
):
    lti.add_command(command)
