"""`lms-bridge lti connect-link`, `invite` and `invite-platform`."""

from __future__ import annotations

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.lti.common import private_addresses
from lms_bridge.cli.output import say
from lms_bridge.cli.session import with_bridge
from lms_bridge.lti.connecting import make_link
from lms_bridge.lti.platform import registration
from lms_bridge.lti.tool import registering


@click.command("connect-link")
@click.argument("centre", default="")
@with_bridge
def connect_link(bridge: Bridge, centre: str) -> None:
    """The page on which the administrator of CENTRE's LMS (without it: of the Academy's) connects
    it, in either direction."""
    if centre:
        bridge.centre(centre)
    hours = bridge.settings.lti.invitation_hours
    say(f"Send this address to the administrator. It works for {hours:g} hours:")
    say(make_link(bridge.room, centre))
    say("What is sent in there waits for approval: lms-bridge lti list")


@click.command("invite")
@click.argument("centre", default="")
@click.option("--registration-url", default="", help="The tool's page for dynamic registration.")
@with_bridge
def invite(bridge: Bridge, centre: str, registration_url: str) -> None:
    """An invitation for one tool of CENTRE (without it: of the Academy) to register itself."""
    private = private_addresses(bridge, centre)
    invitation = registration.invite(bridge.room, centre, private_addresses=private)
    hours = bridge.settings.lti.invitation_hours
    say(f"This invitation works once, within {hours:g} hours.")
    if registration_url:
        say("Open this address in a browser:")
        say(invitation.address(registration_url))
    else:
        say(f"OpenID configuration: {invitation.configuration}")
        say(f"Registration token: {invitation.token}")
    say("The tool then waits for approval: lms-bridge lti list")


@click.command("invite-platform")
@click.argument("centre", default="")
@with_bridge
def invite_platform(bridge: Bridge, centre: str) -> None:
    """An invitation for one platform, the LMS of CENTRE (without it: the Academy's), to register
    the bridge as its tool."""
    if centre:
        bridge.centre(centre)
    say(f"This address works once, within {bridge.settings.lti.invitation_hours:g} hours.")
    say("Paste it into the platform where it asks for a tool's address:")
    say(registering.invite(bridge.room, centre))
    say("The platform then waits for approval: lms-bridge lti list")
