"""`lms-bridge person`: learners: where they are, and whose account at a centre is not certain."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lms_bridge.admin.matches import (
    WHY,
    MatchDecision,
    as_csv,
    carry_out,
    planned,
    read_csv,
    record_match,
)
from lms_bridge.admin.whereabouts import (
    academy_id_of,
    courses_of,
    find_learner,
    find_offerings,
    whereabouts,
)
from lms_bridge.api.documents import unmatched_document
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import clean, print_json, print_line, table, warn, when
from lms_bridge.console.session import SOME_FAILED, by_command, json_option, user_name, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import NotFound
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Closes
from lms_bridge.store import holds
from lms_bridge.sync.accounts import require_account
from lms_bridge.sync.holds import match_person, request_run


@click.command()
@click.option("--centre", default="", help="Only people at this centre.")
@click.option(
    "--csv",
    "file",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
    help="Write them to this file as CSV, to be filled for `match --file`; - for standard output.",
)
@json_option
@with_bridge
def unmatched(bridge: Bridge, centre: str, file: Path | None, in_json: bool) -> None:
    """Lists the learners without an account, with the likely accounts."""
    if centre:
        bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = holds.waiting_people(tx, centre)
    if file is not None:
        with click.open_file(str(file), "wb") as stream:
            stream.write(as_csv(rows))
        if str(file) != "-" and not in_json:
            print_line(f"{len(rows)} people are in {file}. Fill the column account.")
            print_line(f"Then decide: lms-bridge person match --file {file}")
        return
    if in_json:
        print_json([unmatched_document(row) for row in rows])
        return
    if not rows:
        print_line("Nobody waits to be matched.")
        return
    table(
        ["centre", "learner", "reason", "accounts", "since"],
        [
            (
                row.centre,
                row.academy_id,
                row.reason,
                "; ".join(f"{account} ({why})" for account, why in row.suggestions) or "none",
                when(row.since),
            )
            for row in rows
        ],
    )
    print_line("Decide: lms-bridge person match LEARNER --centre CODE (--account ID | --create)")


def _require_account(lms: object, account: str) -> None:
    try:
        require_account(lms, account)
    finally:
        if isinstance(lms, Closes):
            lms.close()


@click.command()
@click.argument("learner", default="")
@click.option("--centre", default="", help="The centre whose account it is.")
@click.option("--account", help="The account's id in the centre's LMS.")
@click.option("--create", is_flag=True, help="Let the next run create an account.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Decide about many: the filled table of `unmatched --csv`; - for standard input.",
)
@click.pass_context
@with_bridge
def match(
    bridge: Bridge,
    ctx: click.Context,
    learner: str,
    centre: str,
    account: str | None,
    create: bool,
    file: Path | None,
) -> None:
    """Records which account is a learner's. LEARNER is the id at the Academy."""
    if file is not None:
        if learner or centre or account or create:
            raise click.UsageError("Give either --file or one learner.")
        with click.open_file(str(file), "rb") as stream:
            if _match_file(bridge, stream.read()):
                ctx.exit(SOME_FAILED)
        return
    if not learner or not centre:
        raise click.UsageError("Give LEARNER and --centre, or --file.")
    if bool(account) == create:
        raise click.UsageError("Give either --account ID or --create.")
    place = bridge.centre(centre)
    with bridge.database.reading() as tx:
        rows = holds.waiting_people(tx, centre)
    suggested = [each for row in rows if row.academy_id == learner for each, _ in row.suggestions]
    if account:
        _require_account(bridge.open_centre(place), account)
    with bridge.database.writing() as tx:
        match_person(tx, centre, learner, account)
        record_match(tx, by_command(), MatchDecision(centre, learner, account or ""))
        request_run(tx, centre, [Kind.ENROLMENT], utc_now(), user_name())
    if account and account not in suggested:
        warn(f"account {account} was not among the suggestions; is it the right one?")
    if account:
        print_line(f"{learner} is account {account} at {centre}.")
    else:
        print_line(f"The next run creates an account for {learner} at {centre}.")
    print_line(
        "A running clock enrols them within seconds. Enrol them now: "
        f"lms-bridge sync --centre {centre} --flow enrolments"
    )


def _match_file(bridge: Bridge, octets: bytes) -> int:
    """Decides as the file says, and returns how many rows were refused."""
    with bridge.database.reading() as tx:
        decisions = planned(tx, read_csv(octets), None, suggested_alone=False)
        waiting = {(row.centre, row.academy_id): row for row in holds.waiting_people(tx)}
    unsuggested: dict[str, list[MatchDecision]] = {}
    for each in decisions:
        row = waiting.get((each.centre, each.learner))
        known = {str(account) for account, _ in row.suggestions} if row is not None else set()
        if each.account and not each.refusal and each.account not in known:
            unsuggested.setdefault(each.centre, []).append(each)
    absent = {
        each.row: each.refused("account", "no-such-account")
        for centre, of_centre in unsuggested.items()
        for each in _absent(bridge, centre, of_centre)
    }
    with bridge.database.writing() as tx:
        outcomes = carry_out(tx, [absent.get(each.row, each) for each in decisions], by_command())
    refused = [each for each in outcomes if each.refusal]
    for each in refused:
        why = WHY.get(each.refusal, each.refusal)
        warn(f"row {each.row}, {each.centre} {each.learner} {each.account}: {why}")
    print_line(f"{len(outcomes) - len(refused)} decided, {len(refused)} refused.")
    return len(refused)


def _absent(bridge: Bridge, centre: str, decisions: list[MatchDecision]) -> list[MatchDecision]:
    """Those whose account the centre's LMS does not have."""
    lms = bridge.open_centre(bridge.centre(centre))
    found = []
    try:
        for each in decisions:
            try:
                require_account(lms, each.account)
            except NotFound:
                found.append(each)
    finally:
        if isinstance(lms, Closes):
            lms.close()
    return found


@click.command()
@click.argument("learner")
@click.argument("course", default="")
@json_option
@with_bridge
def where(bridge: Bridge, learner: str, course: str, in_json: bool) -> None:
    """Shows where a learner is in a course, and why not.

    LEARNER is the Academy id or the e-mail address; COURSE the code of an offering or of a course.
    Without COURSE: the learner's courses.
    """
    with bridge.database.reading() as tx:
        number = find_learner(tx, learner, None)
        academy_id, lti = academy_id_of(tx, number), bridge.settings.lti
        found = [
            whereabouts(tx, number, each, utc_now(), lti)
            for each in (find_offerings(tx, course, number, None).items() if course else ())
        ]
        courses = [] if course else courses_of(tx, number, None)
    if in_json:
        names = ("offering", "title", "status")
        known = [dict(zip(names, each, strict=True)) for each in courses]
        chains = [asdict(each) | {"verdict": each.verdict} for each in found]
        document = {"learner": academy_id, "courses": known, "whereabouts": chains}
        print_json(plain(document))
        return
    for each in found:
        print_line(clean(f"{academy_id} in {each.code} {each.course}. {each.verdict}"))
        table(
            ["station", "state", "what is known", "since", "what helps"],
            [(s.title, s.state, clean(s.text), when(s.at), s.helps) for s in each.steps],
        )
    if not found and not courses:
        print_line(f"The bridge knows no registration of {academy_id}.")
    elif courses:
        table(["offering", "title", "status"], [tuple(map(clean, each)) for each in courses])
