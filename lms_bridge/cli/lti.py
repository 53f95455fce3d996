"""`lms-bridge lti`: the systems that the bridge speaks LTI with, in either direction."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.output import say, table, tell_json, when
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Flow
from lms_bridge.lti import parties
from lms_bridge.lti.parties import Party, Privacy, Side, Status
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.canonical import TRIGGER, take_in_scores
from lms_bridge.lti.platform.launching import LINK, start_deep_linking, start_launch
from lms_bridge.lti.platform.registration import check_addresses, invite, new_client_id
from lms_bridge.lti.room import Room
from lms_bridge.lti.tool import registering
from lms_bridge.lti.vocabulary import SCOPES


@click.group()
def lti() -> None:
    """Learning systems connected by LTI 1.3: tools that the bridge launches learners into, and
    platforms that launch into the bridge."""


_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
_PRIVACY = {
    "name": "Whether the tool gets learners' names.",
    "email": "Whether it gets their e-mail addresses.",
    "sourced-id": "Whether it gets the Academy's ids of them besides its own.",
    "pseudonyms": "Whether it knows them by ids that mean nothing anywhere else.",
}


def _privacy_options(command: Any) -> Any:
    for name, text in reversed(_PRIVACY.items()):
        command = click.option(f"--{name}/--no-{name}", default=None, help=text)(command)
    return command


def _find(bridge: Bridge, number: int) -> Party:
    with bridge.database.reading() as tx:
        party = parties.find(tx, number)
    if party is None:
        raise NotFound(
            "no-such-party", f"There is no connection {number}.", "See `lms-bridge lti list`."
        )
    return party


@lti.command("list")
@_json
@with_bridge
def list_(bridge: Bridge, in_json: bool) -> None:
    """All connections, with those that wait for approval."""
    with bridge.database.reading() as tx:
        found = parties.all_parties(tx)
    if in_json:
        tell_json([_told(party) for party in found])
    elif not found:
        say("No learning system is connected yet. See `lms-bridge lti invite`.")
    else:
        table(
            ["number", "they are a", "centre", "name", "status", "since"],
            [
                (p.id, p.side, p.centre or "Academy", p.name, p.status, when(p.created_at))
                for p in found
            ],
        )


def _told(party: Party) -> dict[str, Any]:
    return {name: getattr(party, name) for name in Party.__slots__ if name != "privacy"} | {
        "privacy": {name: getattr(party.privacy, name) for name in Privacy.__slots__}
    }


@lti.command()
@click.argument("number", type=int)
@_json
@with_bridge
def show(bridge: Bridge, number: int, in_json: bool) -> None:
    """One connection, with the values to enter on its side."""
    party = _find(bridge, number)
    if in_json:
        tell_json(_told(party))
        return
    for name, value in _told(party).items():
        say(f"{name.replace('_', ' ')}: {value if value not in ('', (), None) else '-'}")
    if party.side is Side.TOOL:
        say()
        _say_values(bridge.room.address, party)


def _say_values(address: str, party: Party) -> None:
    """What an administrator enters where dynamic registration is not possible."""
    say("To enter at the tool:")
    for name, value in (
        ("Platform ID (issuer)", address),
        ("Client ID", party.client_id),
        ("Deployment ID", ", ".join(party.deployment_ids)),
        ("Public keyset URL", address + endpoints.KEYS),
        ("Access token URL", address + endpoints.TOKEN),
        ("Authentication request URL", address + endpoints.AUTHENTICATION),
    ):
        say(f"  {name}: {value}")


@lti.command("invite")
@click.argument("centre", default="")
@click.option("--registration-url", default="", help="The tool's page for dynamic registration.")
@with_bridge
def invite_(bridge: Bridge, centre: str, registration_url: str) -> None:
    """An invitation for one tool of CENTRE (without it: of the Academy) to register itself."""
    invitation = invite(bridge.room, centre, private_addresses=_private(bridge, centre))
    hours = bridge.settings.lti.invitation_hours
    say(f"This invitation works once, within {hours:g} hours.")
    if registration_url:
        say("Open this address in a browser:")
        say(invitation.address(registration_url))
    else:
        say(f"OpenID configuration: {invitation.configuration}")
        say(f"Registration token: {invitation.token}")
    say("The tool then waits for approval: lms-bridge lti list")


@lti.command("invite-platform")
@click.argument("centre", default="")
@with_bridge
def invite_platform(bridge: Bridge, centre: str) -> None:
    """An invitation for one platform, the LMS of CENTRE (without it: the Academy's), to register
    the bridge as its tool."""
    room = bridge.room
    say(f"This address works once, within {bridge.settings.lti.invitation_hours:g} hours.")
    say("Paste it into the platform where it asks for a tool's address:")
    say(registering.invite(room, centre))
    say("The platform then waits for approval: lms-bridge lti list")


@lti.command()
@click.argument("number", type=int)
@_privacy_options
@with_bridge
def approve(bridge: Bridge, /, number: int, **privacy: bool | None) -> None:
    """Lets a connection be used, and says which personal data go along."""
    party = _find(bridge, number)
    if party.side is Side.TOOL:
        check_addresses(party)
    chosen = {name: value for name, value in privacy.items() if value is not None}
    party = replace(party, status=Status.ACTIVE, privacy=replace(party.privacy, **chosen))
    with bridge.database.writing() as tx:
        parties.change(tx, party)
    say(f"Connection {number} is active.")


@lti.command()
@click.argument("number", type=int)
@with_bridge
def reject(bridge: Bridge, number: int) -> None:
    """Ends a connection; one that was never approved is forgotten."""
    party = _find(bridge, number)
    with bridge.database.writing() as tx:
        if party.status is Status.PENDING:
            parties.remove(tx, number)
        else:
            parties.change(tx, replace(party, status=Status.DISABLED))
    say(f"Connection {number} is {'gone' if party.status is Status.PENDING else 'disabled'}.")


@lti.command("add-tool")
@click.argument("title")
@click.option(
    "--centre", default="", help="The centre whose tool it is. Without it: the Academy's."
)
@click.option("--login-url", required=True, help="Where the tool starts a login.")
@click.option("--redirect-url", multiple=True, required=True, help="Where launches go; repeatable.")
@click.option("--keys-url", required=True, help="The tool's public key set.")
@click.option("--target-url", default="", help="What a launch opens. Without it: the redirect URL.")
@click.option("--deep-link-url", default="", help="Where resources are chosen.")
@click.option("--custom", multiple=True, help="NAME=VALUE of a custom parameter; repeatable.")
@_privacy_options
@with_bridge
def add_tool(bridge: Bridge, /, title: str, centre: str, **given: Any) -> None:
    """Connects a tool by hand, and prints the values to enter on its side."""
    chosen = {key: given[key] for key in Privacy.__slots__ if given[key] is not None}
    party = Party(
        Side.TOOL,
        name=title,
        centre=centre,
        client_id=new_client_id(),
        deployment_ids=(new_client_id(),),
        initiate_login_uri=given["login_url"],
        redirect_uris=given["redirect_url"],
        jwks_uri=given["keys_url"],
        target_link_uri=given["target_url"] or given["redirect_url"][0],
        deep_link_uri=given["deep_link_url"],
        custom=_pairs(given["custom"]),
        scopes=SCOPES,
        privacy=replace(Privacy(), **chosen),
        status=Status.ACTIVE,
        private_addresses=_private(bridge, centre),
    )
    check_addresses(party)
    with bridge.database.writing() as tx:
        party = parties.add(tx, party)
    say(f"Connection {party.id} is active.")
    _say_values(bridge.room.address, party)


def _private(bridge: Bridge, centre: str) -> bool:
    """Whether the centre's systems may have private addresses, as for its other connections."""
    sample = bool(centre) and bridge.centre(centre).sample
    return bridge.settings.network.private_addresses or sample


def _pairs(custom: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in custom]
    if any(not name or not mark for name, mark, _ in pairs):
        raise Refused("bad-custom", "A custom parameter is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}


@lti.command("launch-link")
@click.argument("learner")
@click.argument("offering")
@click.option(
    "--connection", default=0, help="The tool's number. Without it: that of the offering."
)
@with_bridge
def launch_link(bridge: Bridge, learner: str, offering: str, connection: int) -> None:
    """A link that opens OFFERING for LEARNER (the Academy's id), once."""
    room = bridge.room
    start_launch(room, learner, offering, party_id=connection)  # says now what is wrong
    _say_link(room, {"learner": learner, "offering": offering, "party": connection})


@lti.command("choose")
@click.argument("offering")
@click.option(
    "--connection", default=0, help="The tool's number. Without it: that of the offering."
)
@with_bridge
def choose(bridge: Bridge, offering: str, connection: int) -> None:
    """A link that opens the tool's choice of resources for OFFERING (deep linking), once."""
    room = bridge.room
    start_deep_linking(room, offering, person="operator", party_id=connection)
    _say_link(room, {"person": "operator", "offering": offering, "party": connection})


def _say_link(room: Room, link: dict[str, Any]) -> None:
    token = secrets.token_urlsafe(24)
    hours = room.settings.launch_link_hours
    room.once.put(LINK, token, link, hours * 3600)
    say(f"{room.address}{endpoints.LAUNCH}/{token}")


@lti.command("take-scores")
@click.argument("centre")
@with_bridge
def take_scores(bridge: Bridge, centre: str) -> None:
    """Takes in scores that came while a run of CENTRE was under way."""
    order = bridge.order(bridge.centre(centre), (Flow.RESULTS,), trigger=TRIGGER)
    report = bridge.runner().run(order, take_in_scores)
    say(f"{sum(report.counts.values())} result(s) taken in ({report.status}).")
