"""`lms-bridge lti`: connections with LTI platforms and tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_json, print_line, table, when
from lms_bridge.console.session import NUMBER, by_command, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.plurals import counted
from lms_bridge.lti import approval, connect_links, deployments, registrations, replacement
from lms_bridge.lti.approval import fingerprint
from lms_bridge.lti.connect_links import make_connect_link
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.platform import chosen_resources
from lms_bridge.lti.platform import dynamic_registration as platform_registration
from lms_bridge.lti.platform.dynamic_registration import check_addresses, new_client_id
from lms_bridge.lti.platform.launch import WINDOW, choice_link, learner_link
from lms_bridge.lti.refusals import NOBODY
from lms_bridge.lti.registrations import LtiRegistration, PersonId, Privacy, Side, Status
from lms_bridge.lti.tool import dynamic_registration as tool_registration
from lms_bridge.lti.vocabulary import SCOPES
from lms_bridge.store import offerings

_PRIVACY = {
    "name": "Whether the tool gets learners' names.",
    "email": "Whether it gets their e-mail addresses.",
    "sourced-id": "Whether it gets the Academy's ids of them besides its own.",
    "pseudonyms": "Whether it knows them by ids that mean nothing anywhere else.",
}


def privacy_options(command: Any) -> Any:
    for name, text in reversed(_PRIVACY.items()):
        command = click.option(f"--{name}/--no-{name}", default=None, help=text)(command)
    return command


def find_connection(bridge: Bridge, number: int) -> LtiRegistration:
    """Raises NotFound."""
    with bridge.database.reading() as tx:
        registration = registrations.find(tx, number)
    if registration is None:
        raise NotFound(
            "no-such-connection", f"There is no connection {number}.", "See `lms-bridge lti list`."
        )
    return registration


def private_addresses(bridge: Bridge, centre: str) -> bool:
    """Whether the centre's systems may have private addresses, as for its other connections."""
    sample = bool(centre) and bridge.centre(centre).sample
    return bridge.settings.network.private_addresses or sample


_json = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")


@click.command("list")
@_json
@with_bridge
def list_connections(bridge: Bridge, in_json: bool) -> None:
    """All connections, with those that wait for approval."""
    with bridge.database.reading() as tx:
        found = registrations.all_registrations(tx)
    if in_json:
        print_json([_document(registration) for registration in found])
    elif not found:
        print_line("No learning system is connected yet. See `lms-bridge lti connect-link`.")
    else:
        table(
            ["number", "they are a", "centre", "name", "status", "since"],
            [
                (p.id, p.side, p.centre or "Academy", p.name, p.status, when(p.created_at))
                for p in found
            ],
        )


def _document(registration: LtiRegistration) -> dict[str, Any]:
    return {
        name: getattr(registration, name) for name in LtiRegistration.__slots__ if name != "privacy"
    } | {
        "privacy": {name: getattr(registration.privacy, name) for name in Privacy.__slots__},
        "seen": fingerprint(registration),
    }


@click.command("show")
@click.argument("number", type=NUMBER)
@_json
@with_bridge
def show_connection(bridge: Bridge, number: int, in_json: bool) -> None:
    """One connection, with the values to enter on its side."""
    registration = find_connection(bridge, number)
    if in_json:
        print_json(_document(registration))
        return
    for name, value in _document(registration).items():
        print_line(f"{name.replace('_', ' ')}: {_words(value)}")
    with bridge.database.reading() as tx:
        waiting = deployments.unknown(tx, number)
    if waiting:
        print_line()
        print_line("Deployments that launched and are not accepted (lms-bridge lti accept):")
    for each in waiting:
        since = f"{each.times} since {when(each.first_at)}, last {when(each.last_at)}"
        print_line(f"  {each.deployment_id}: {since}")
    print_line()
    print_values(lti_of(bridge).context.address, registration)


def _words(value: object) -> str:
    """A value for people: words, never a spelling of Python."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_words(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value)) or "-"
    return str(value) or "-"


def print_values(address: str, registration: LtiRegistration) -> None:
    """What an administrator enters where dynamic registration is not possible."""
    print_line(f"To enter at the {registration.side}:")
    values = (
        connect_links.values_for_tool(address, registration.client_id, registration.deployment_ids)
        if registration.side is Side.TOOL
        else connect_links.values_for_platform(address)
    )
    for name, value in values:
        print_line(f"  {name}: {value}")


@click.command("refused")
@click.argument("number", type=NUMBER, required=False)
@_json
@with_bridge
def list_refused(bridge: Bridge, number: int | None, in_json: bool) -> None:
    """Launches and calls of a connection that were refused lately.

    Without NUMBER: those that named no connection.
    """
    with bridge.database.reading() as tx:
        rows = lti_of(bridge).context.refusals.of(tx, number or NOBODY)
    if in_json:
        print_json([{name: row._mapping[name] for name in _REFUSED} for row in rows])
    elif not rows:
        print_line("Nothing was refused lately.")
    else:
        table(
            ["when", "times", "what", "code", "detail", "reference"],
            [
                (when(row.at), row.times, row.place, row.code, row.detail or "-", row.reference)
                for row in rows
            ],
        )


_REFUSED = ("at", "times", "place", "code", "detail", "reference")


@click.command("add-tool")
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
@privacy_options
@with_bridge
def add_tool(bridge: Bridge, /, title: str, centre: str, **given: Any) -> None:
    """Connects a tool by hand, and prints the values to enter on its side."""
    chosen = {key: given[key] for key in Privacy.__slots__ if given[key] is not None}
    registration = LtiRegistration(
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
        private_addresses=private_addresses(bridge, centre),
    )
    check_addresses(registration)
    with bridge.database.writing() as tx:
        registration = approval.add_registration(tx, registration, by_command())
    print_line(f"Connection {registration.id} is active.")
    print_values(lti_of(bridge).context.address, registration)


def _pairs(custom: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in custom]
    if any(not name or not mark for name, mark, _ in pairs):
        raise Refused("bad-custom", "A custom parameter is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}


@click.command()
@click.argument("number", type=NUMBER)
@privacy_options
@click.option(
    "--learner-id",
    type=click.Choice(["sub", "sourced-id"]),
    help="By what a platform names learners: its own id of them (the Academy's platform: the "
    "Academy's id; a centre's LMS: the account that the bridge knows), or the Academy's id as the "
    "id of the register (lis person_sourcedid).",
)
@click.option(
    "--opens-in",
    type=click.Choice(["window", "place"]),
    help="Where a tool opens: in a window of its own, as its pages allow no frame, or in place.",
)
@click.option(
    "--any-offering/--no-any-offering",
    default=None,
    help="Whether a centre's platform opens offerings of all centres, or only its own centre's.",
)
@click.option(
    "--any-deployment/--no-any-deployment",
    default=None,
    help="Whether all deployments of a platform's client are accepted, or only those listed.",
)
@click.option(
    "--token-audience",
    help="What a platform wants token requests to be for, if not their address (Brightspace).",
)
@click.option(
    "--seen",
    default="",
    help="The word that `lti show` printed: approves the connection only if it is still the same.",
)
@with_bridge
def approve(
    bridge: Bridge,
    /,
    number: int,
    learner_id: str | None,
    opens_in: str | None,
    seen: str,
    any_offering: bool | None,
    any_deployment: bool | None,
    token_audience: str | None,
    **privacy: bool | None,
) -> None:
    """Opens a connection for use, and sets which personal data it gets."""
    given = {name: value for name, value in privacy.items() if value is not None}
    allowed: dict[str, Any] = {
        "any_offering": any_offering,
        "any_deployment": any_deployment,
        "token_audience": token_audience,
    }
    with bridge.database.writing() as tx:
        registration = approval.find_registration(tx, number)
        if seen:
            approval.check_seen(registration, seen)
        chosen = replace(registration, privacy=replace(registration.privacy, **given))
        if learner_id is not None:
            chosen = replace(chosen, person_id=PersonId(learner_id.replace("-", "_")))
        if opens_in is not None:
            chosen = replace(chosen, opens_in=WINDOW if opens_in == WINDOW else "")
        chosen = replace(chosen, **{k: v for k, v in allowed.items() if v is not None})
        approval.approve_registration(tx, registration, chosen, by_command())
    print_line(f"Connection {number} is active.")


@click.command()
@click.argument("number", type=NUMBER)
@click.argument("deployment")
@with_bridge
def accept(bridge: Bridge, number: int, deployment: str) -> None:
    """Accepts launches from one more DEPLOYMENT of a platform."""
    with bridge.database.writing() as tx:
        registration = approval.find_registration(tx, number)
        approval.add_deployment(tx, registration, deployment, by_command())
    print_line(f"Connection {number} accepts the deployment {deployment}.")


@click.command("take-back")
@click.argument("number", type=NUMBER)
@click.argument("deployment")
@with_bridge
def take_back(bridge: Bridge, number: int, deployment: str) -> None:
    """Accepts launches from a DEPLOYMENT no longer."""
    with bridge.database.writing() as tx:
        registration = approval.find_registration(tx, number)
        approval.remove_deployment(tx, registration, deployment, by_command())
    print_line(f"Connection {number} accepts the deployment {deployment} no longer.")


@click.command()
@click.argument("number", type=NUMBER)
@with_bridge
def reject(bridge: Bridge, number: int) -> None:
    """Ends a connection; deletes one that was never approved."""
    with bridge.database.writing() as tx:
        status = approval.reject_registration(
            tx, approval.find_registration(tx, number), by_command()
        )
    print_line(f"Connection {number} is {'gone' if status is None else status}.")


_dry = click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
_yes = click.option("--yes", is_flag=True, help="Do it without asking.")


@click.command()
@click.argument("number", type=NUMBER)
@click.option("--to", "new", type=NUMBER, required=True, help="The new connection's number.")
@_dry
@_yes
@with_bridge
def move(bridge: Bridge, number: int, new: int, dry_run: bool, yes: bool) -> None:
    """Moves what hangs on an old connection to a new one of the same side.

    Of a platform, that is its courses, launch origins and grade columns; of a tool, its resources
    and line items with their scores. The old one is switched off."""
    with bridge.database.trying() as tx:
        found = replacement.move(tx, number, new, by_command())
    print_line(f"Connection {number} has {found.words}. All of it moves to connection {new}.")
    if dry_run or not (yes or click.confirm("Move it?")):
        print_line("Nothing was changed.")
        return
    with bridge.database.writing() as tx:
        replacement.move(tx, number, new, by_command())
    print_line(f"Connection {number} has moved to connection {new}, and is switched off.")


@click.command()
@click.argument("number", type=NUMBER)
@_dry
@_yes
@with_bridge
def forget(bridge: Bridge, number: int, dry_run: bool, yes: bool) -> None:
    """Deletes a connection that is not active, with all that hangs on it."""
    with bridge.database.trying() as tx:
        found = replacement.forget(tx, number, by_command())
    print_line(f"Connection {number} has {found.words}. The bridge forgets all of it.")
    if dry_run or not (yes or click.confirm("Forget it?")):
        print_line("Nothing was changed.")
        return
    with bridge.database.writing() as tx:
        replacement.forget(tx, number, by_command())
    print_line(f"Connection {number} is gone.")


@click.command("connect-link")
@click.argument("centre", default="")
@click.option("--end", is_flag=True, help="End all links and unused invitations of CENTRE.")
@with_bridge
def connect_link(bridge: Bridge, centre: str, end: bool) -> None:
    """The page on which an administrator connects CENTRE's LMS, in either direction. Without CENTRE
    it is for the Academy's."""
    if centre:
        bridge.centre(centre)
    if end:
        ended = connect_links.end_links(lti_of(bridge).context, centre)
        print_line(f"{counted(ended, 'link')} ended. What was sent through them stays.")
        return
    hours = bridge.settings.lti.invitation_hours
    print_line(f"Send this address to the administrator. It works for {hours:g} hours:")
    print_line(make_connect_link(lti_of(bridge).context, centre))
    print_line("The answers wait for approval: lms-bridge lti list")


@click.command("invite")
@click.argument("centre", default="")
@click.option("--registration-url", default="", help="The tool's page for dynamic registration.")
@with_bridge
def invite(bridge: Bridge, centre: str, registration_url: str) -> None:
    """An invitation for one tool of CENTRE (without it: of the Academy) to register itself."""
    private = private_addresses(bridge, centre)
    invitation = platform_registration.invite_tool(
        lti_of(bridge).context, centre, private_addresses=private
    )
    hours = bridge.settings.lti.invitation_hours
    print_line(f"This invitation works once, within {hours:g} hours.")
    if registration_url:
        print_line("Open this address in a browser:")
        print_line(invitation.address(registration_url))
    else:
        print_line(f"OpenID configuration: {invitation.configuration}")
        print_line(f"Registration token: {invitation.token}")
    print_line("The tool then waits for approval: lms-bridge lti list")


@click.command("invite-platform")
@click.argument("centre", default="")
@with_bridge
def invite_platform(bridge: Bridge, centre: str) -> None:
    """An invitation for one platform, the LMS of CENTRE (without it: the Academy's), to register
    the bridge as its tool."""
    if centre:
        bridge.centre(centre)
    print_line(f"This address works once, within {bridge.settings.lti.invitation_hours:g} hours.")
    print_line("Paste it into the platform where it asks for a tool's address:")
    print_line(tool_registration.invite_platform(lti_of(bridge).context, centre))
    print_line("The platform then waits for approval: lms-bridge lti list")


@click.command("launch-link")
@click.argument("learner")
@click.argument("offering")
@click.option(
    "--connection", default=0, help="The tool's number. Without it: that of the offering."
)
@with_bridge
def launch_link(bridge: Bridge, learner: str, offering: str, connection: int) -> None:
    """A link that opens OFFERING for LEARNER (the Academy's id), once."""
    lti = lti_of(bridge).context
    print_line(learner_link(lti, learner, offering, connection))


@click.command("choose")
@click.argument("offering", default="")
@click.option(
    "--centre", default="", help="Choose new offerings of this centre, in place of OFFERING."
)
@click.option(
    "--connection", default=0, help="The tool's number. Without it: that of the offering."
)
@with_bridge
def choose(bridge: Bridge, offering: str, centre: str, connection: int) -> None:
    """A link that opens the tool's choice of resources for OFFERING (deep linking), once; or, with
    --centre, of resources that are to become offerings."""
    if bool(offering) == bool(centre):
        raise Refused("bad-choice", "Either an offering or --centre has to be named.")
    if centre:
        bridge.centre(centre)
    lti = lti_of(bridge).context
    print_line(
        choice_link(lti, offering, person="operator", registration_id=connection, centre=centre)
    )


@click.command("unchoose")
@click.argument("offering")
@with_bridge
def unchoose(bridge: Bridge, offering: str) -> None:
    """Withdraws the choice of OFFERING. The next run removes it from the catalogue."""
    with bridge.database.writing() as tx:
        id_, record = offerings.offerings_by_code(tx, [offering]).get(offering, (0, None))
        found = chosen_resources.of_offering(tx, id_, record.centre) if record else None
        if found is None:
            raise NotFound("not-chosen", f'No chosen resource became the offering "{offering}".')
        chosen_resources.forget(tx, found.code, utc_now())
    print_line(f"The next run of its centre removes {offering} from the catalogue.")


@click.command("import-scores")
@click.argument("centre")
@with_bridge
def import_scores(bridge: Bridge, centre: str) -> None:
    """Imports the scores that tools sent for offerings of CENTRE, and sends the results on.

    The scheduler does the same. Use this command if you do not want to wait.
    """
    report = bridge.send_scores(centre, tries_all=True)
    results = {key: many for key, many in report.counts.items() if key.startswith("result.")}
    imported = sum(many for key, many in results.items() if key.endswith(".applied"))
    sent = sum(many for key, many in results.items() if key.endswith(".acknowledged"))
    print_line(f"{counted(imported, 'result')} imported, {sent} sent on ({report.status}).")
    for stage, error in report.errors:
        print_line(f"{stage}: {error}")
