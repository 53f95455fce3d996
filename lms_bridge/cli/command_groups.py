"""The groups of commands and what each holds. A command is imported when it is called."""

from __future__ import annotations

import click

from lms_bridge.console.lazy import LazyGroup
from lms_bridge.console.session import json_option

account = LazyGroup(
    "account",
    help="Accounts of people who sign in, and their roles.",
    later={
        "add": (
            "lms_bridge.accounts.commands:add",
            "Adds an account, with a role if one is named.",
        ),
        "disable": (
            "lms_bridge.accounts.commands:disable",
            "Ends every session of an account, and lets nobody sign in with it.",
        ),
        "enable": (
            "lms_bridge.accounts.commands:enable",
            "Lets a disabled account sign in again.",
        ),
        "grant": (
            "lms_bridge.accounts.commands:grant",
            "Gives the account a ROLE, for a centre, for a region, or for everything.",
        ),
        "learner": (
            "lms_bridge.accounts.commands:learner_",
            "Says which learner, by the Academy's id, the person is.",
        ),
        "link": (
            "lms_bridge.accounts.commands:link",
            "Prints a link that signs the account in, once.",
        ),
        "list": ("lms_bridge.accounts.commands:list_", "Lists all accounts, with their roles."),
        "mail": (
            "lms_bridge.accounts.commands:mail",
            "Asks the mail server of the settings whether it works. It sends nothing.",
        ),
        "reset": (
            "lms_bridge.accounts.commands:reset",
            "Takes the password and the second factor away, for a person who has lost them.",
        ),
        "revoke": (
            "lms_bridge.accounts.commands:revoke",
            "Takes a ROLE away, at once. It is named as it was given.",
        ),
        "show": (
            "lms_bridge.accounts.commands:show",
            "Shows the account with this number or e-mail address.",
        ),
    },
)

area = LazyGroup(
    "area",
    help="Priority areas of a cycle.",
    later={
        "add": ("lms_bridge.network.cycle_commands:add", "Adds a priority area to CYCLE."),
        "merge": ("lms_bridge.network.cycle_commands:merge", "Makes one area of several."),
        "rename": ("lms_bridge.network.cycle_commands:rename", "Gives AREA of CYCLE another NAME"),
    },
)

centre = LazyGroup(
    "centre",
    help="Training centres and how their LMSs are reached.",
    later={
        "add": ("lms_bridge.cli.centre:add", "Adds a centre."),
        "change": (
            "lms_bridge.cli.centre:change",
            "Changes the named fields of a centre and keeps the others.",
        ),
        "check": (
            "lms_bridge.cli.centre:check",
            "Checks everything that the flows need of a centre's LMS, and changes nothing.",
        ),
        "list": ("lms_bridge.cli.centre:list_", "Lists all centres, with their last runs."),
        "pause": ("lms_bridge.cli.centre:pause", "Lets nothing run for a centre."),
        "profile": (
            "lms_bridge.network.profile_commands:profile",
            "Changes the named fields of a centre's public profile and keeps the others.",
        ),
        "resume": ("lms_bridge.cli.centre:resume", "Lets a paused centre run again."),
        "show": (
            "lms_bridge.cli.centre:show",
            "Shows one centre: its options and policy, how its flows go, and what waits.",
        ),
    },
)

cycle = LazyGroup(
    "cycle",
    help="Cycles of the partner programme.",
    later={
        "change": (
            "lms_bridge.network.cycle_commands:change",
            "Changes the named values of a cycle and keeps the others.",
        ),
        "compare": (
            "lms_bridge.network.cycle_commands:compare",
            "Shows what changed in config/ since its cycles were copied.",
        ),
        "list": (
            "lms_bridge.network.cycle_commands:list_",
            "Lists all cycles, the earliest first.",
        ),
        "open": ("lms_bridge.network.cycle_commands:open_", "Opens a cycle of the programme."),
        "show": (
            "lms_bridge.network.cycle_commands:show",
            "Shows one cycle with its priority areas.",
        ),
    },
)

db = LazyGroup(
    "db",
    help="The database's tables.",
    later={
        "relock": (
            "lms_bridge.cli.db:relock",
            "Encrypts every stored secret with the first key of secrets.key.",
        ),
        "upgrade": ("lms_bridge.cli.db:upgrade", "Creates the tables, or brings them up to date."),
    },
)

hold = LazyGroup(
    "hold",
    help="Large removals and conflicting edits that wait for a person.",
    later={
        "approve": (
            "lms_bridge.cli.hold:approve",
            "Lets the next run make the removals, or send the record again.",
        ),
        "list": ("lms_bridge.cli.hold:list_", "Lists what waits for a decision."),
        "reject": (
            "lms_bridge.cli.hold:reject",
            "Keeps the records, or what the target holds, as they are.",
        ),
        "show": ("lms_bridge.cli.hold:show", "Shows one hold, with its records."),
    },
)

keys = LazyGroup(
    "keys",
    help="The keys that the bridge signs launches and tokens with.",
    later={
        "list": (
            "lms_bridge.cli.keys:list_",
            "Lists all keys: the one that signs, and those that are still published.",
        ),
        "rotate": ("lms_bridge.cli.keys:rotate", "Makes a new key that signs from now on."),
    },
)

lti = LazyGroup(
    "lti",
    help="Learning systems connected by LTI 1.3: tools that the bridge launches learners into, "
    "and platforms that launch into the bridge.",
    later={
        "accept": (
            "lms_bridge.lti.commands:accept",
            "Accepts launches from one more DEPLOYMENT of a platform.",
        ),
        "take-back": (
            "lms_bridge.lti.commands:take_back",
            "Accepts launches from a DEPLOYMENT no longer.",
        ),
        "add-tool": (
            "lms_bridge.lti.commands:add_tool",
            "Connects a tool by hand, and prints the values to enter on its side.",
        ),
        "approve": (
            "lms_bridge.lti.commands:approve",
            "Opens a connection for use, and sets which personal data it gets.",
        ),
        "choose": (
            "lms_bridge.lti.commands:choose",
            "A link that opens the tool's choice of resources for OFFERING (deep linking).",
        ),
        "connect-link": (
            "lms_bridge.lti.commands:connect_link",
            "The page on which an administrator connects CENTRE's LMS.",
        ),
        "forget": (
            "lms_bridge.lti.commands:forget",
            "Deletes a connection that is not active, with all that hangs on it.",
        ),
        "import-scores": (
            "lms_bridge.lti.commands:import_scores",
            "Imports the scores that tools sent.",
        ),
        "invite": ("lms_bridge.lti.commands:invite", "An invitation for one tool."),
        "invite-platform": (
            "lms_bridge.lti.commands:invite_platform",
            "An invitation for one platform.",
        ),
        "launch-link": (
            "lms_bridge.lti.commands:launch_link",
            "A link that opens OFFERING for LEARNER (the Academy's id), once.",
        ),
        "list": (
            "lms_bridge.lti.commands:list_connections",
            "All connections, with those that wait for approval.",
        ),
        "move": (
            "lms_bridge.lti.commands:move",
            "Moves what hangs on an old connection to a new one of the same side.",
        ),
        "refused": (
            "lms_bridge.lti.commands:list_refused",
            "Launches and calls of a connection that were refused lately.",
        ),
        "reject": (
            "lms_bridge.lti.commands:reject",
            "Ends a connection; deletes one that was never approved.",
        ),
        "show": (
            "lms_bridge.lti.commands:show_connection",
            "One connection, with the values to enter on its side.",
        ),
        "unchoose": (
            "lms_bridge.lti.commands:unchoose",
            "Withdraws the choice of OFFERING.",
        ),
    },
)

membership = LazyGroup(
    "membership",
    help="Memberships of centres in cycles.",
    later={
        "add": ("lms_bridge.network.membership_commands:add", "Makes CENTRE a member in CYCLE."),
        "areas": (
            "lms_bridge.network.membership_commands:areas",
            "Replaces the priority areas of CENTRE's membership.",
        ),
        "end": (
            "lms_bridge.network.membership_commands:end",
            "Ends CENTRE's membership.",
        ),
        "list": (
            "lms_bridge.network.membership_commands:list_",
            "Lists memberships by centre, the earliest first.",
        ),
        "remove": (
            "lms_bridge.network.membership_commands:remove",
            "Removes a membership that has not begun.",
        ),
        "renew": (
            "lms_bridge.network.membership_commands:renew",
            "Lets CENTRE's membership last longer, or begin again.",
        ),
    },
)

offering = LazyGroup(
    "offering",
    help="The life of an offering (docs/programme.md): outline, review, report, certificates.",
    later={
        "cancel": (
            "lms_bridge.cli.offering:cancel",
            "Cancels an offering, and the registrations in it.",
        ),
        "certify": (
            "lms_bridge.cli.offering:certify",
            "Releases the certificates of all who completed, or of the named learners alone.",
        ),
        "close": ("lms_bridge.cli.offering:close", "Validates the report of an offering."),
        "comment": ("lms_bridge.cli.offering:comment", "Comments on a point of an outline."),
        "complete": (
            "lms_bridge.cli.offering:complete_",
            "Fills fields that the offering's source leaves empty.",
        ),
        "conclude": (
            "lms_bridge.cli.offering:conclude",
            "Says that a course without an end is over.",
        ),
        "object": ("lms_bridge.cli.offering:object_", "Sends an outline or a report back."),
        "outline": (
            "lms_bridge.cli.offering:outline",
            "States what the offering's own fields do not say, before the outline is submitted.",
        ),
        "postpone": ("lms_bridge.cli.offering:postpone", "Postpones an offering."),
        "publish": ("lms_bridge.cli.offering:publish", "Publishes an offering."),
        "report": (
            "lms_bridge.cli.offering:report",
            "Submits the end-of-training report. The bridge adds its own counts.",
        ),
        "review": ("lms_bridge.cli.offering:review", "Ends a review without objections."),
        "show": (
            "lms_bridge.cli.offering:show",
            "Shows an offering: status, possible actions, review, reports, history.",
        ),
        "submit": ("lms_bridge.cli.offering:submit", "Submits an outline for review."),
        "teach": (
            "lms_bridge.cli.offering:teach",
            "Gives the person with that Academy id the teacher's role in the offering's course.",
        ),
        "teachers": (
            "lms_bridge.cli.offering:teachers",
            "Lists who teaches an offering, and whether they have the role in its course.",
        ),
    },
)

operator = LazyGroup(
    "operator",
    help="Operators, who sign in to the pages with a link.",
    later={
        "link": ("lms_bridge.cli.operator:link", "Prints a link that signs an operator in, once."),
        "revoke": ("lms_bridge.cli.operator:revoke", "Ends sessions and links at once."),
        "sessions": (
            "lms_bridge.cli.operator:list_sessions",
            "Lists the sign-ins, and the links that are not used yet.",
        ),
    },
)

person = LazyGroup(
    "person",
    help="Learners: where they are, and whose account is not known. Only ids are shown, no names.",
    later={
        "match": ("lms_bridge.cli.person:match", "Records which account is a learner's."),
        "unmatched": (
            "lms_bridge.cli.person:unmatched",
            "Lists the learners without an account, with the likely accounts.",
        ),
        "where": (
            "lms_bridge.cli.person:where",
            "Shows where a learner is in a course, and why not.",
        ),
    },
)

quarantine = LazyGroup(
    "quarantine",
    help="Records that cannot be used.",
    later={
        "list": (
            "lms_bridge.cli.quarantine:list_",
            "Lists what is in quarantine, with the reason, the values at fault, and what helps.",
        ),
    },
)

report = LazyGroup(
    "report",
    help="What the network did.",
    later={
        "year": (
            "lms_bridge.network.report_commands:year",
            "Shows what the network did in YEAR: courses, people, certificates, reports in time.",
        ),
    },
)

roll_over = LazyGroup(
    "roll-over",
    help="Plans that take the centres of a region from one cycle to the next.",
    later={
        "approve": (
            "lms_bridge.network.membership_commands:approve",
            "Carries a plan out, if the network is still as the plan has it.",
        ),
        "list": ("lms_bridge.network.membership_commands:list_plans", "Lists all plans."),
        "plan": (
            "lms_bridge.network.membership_commands:plan",
            "Plans to take the centres of REGION from the cycle OLD to NEW.",
        ),
        "reject": (
            "lms_bridge.network.membership_commands:reject",
            "Keeps the memberships as they are.",
        ),
        "show": (
            "lms_bridge.network.membership_commands:show_plan",
            "Shows a plan, centre by centre.",
        ),
    },
)

run = LazyGroup(
    "run",
    help="What runs did.",
    later={
        "list": ("lms_bridge.cli.run:list_", "Lists the last runs, the newest first."),
        "show": ("lms_bridge.cli.run:show", "Shows one run, item by item, field by field."),
    },
)

schedule = LazyGroup(
    "schedule",
    help="Pushes a centre's schedule (docs/api.md): JSON, CSV or iCalendar.",
    later={
        "push": ("lms_bridge.intake.commands:push", "Pushes the offerings of FILE."),
        "template": (
            "lms_bridge.intake.commands:template",
            "Writes an empty table to FILE, else to standard output.",
        ),
    },
)

token = LazyGroup(
    "token",
    help="API tokens (docs/api.md).",
    later={
        "create": ("lms_bridge.cli.token:create", "Creates a token and shows it, this once."),
        "list": ("lms_bridge.cli.token:list_", "Lists all tokens, without their secrets."),
        "revoke": ("lms_bridge.cli.token:revoke", "Revokes a token at once, by its prefix."),
    },
)

webhook = LazyGroup(
    "webhook",
    help="Webhooks: they send each change to other systems (docs/webhooks.md).",
    later={
        "add": ("lms_bridge.webhooks.commands:add", "Adds a webhook and shows its secret once."),
        "delivery": (
            "lms_bridge.webhooks.commands:delivery",
            "Shows one delivery with every attempt.",
        ),
        "enable": (
            "lms_bridge.webhooks.commands:enable",
            "Switches a webhook on again; later changes are sent.",
        ),
        "list": ("lms_bridge.webhooks.commands:list_", "Lists all webhooks without secrets."),
        "ping": ("lms_bridge.webhooks.commands:ping", "Sends a test message to a webhook."),
        "remove": (
            "lms_bridge.webhooks.commands:remove",
            "Removes a webhook and the log of its deliveries.",
        ),
        "renew": (
            "lms_bridge.webhooks.commands:renew",
            "Gives a webhook a new secret and shows it once.",
        ),
        "resend": ("lms_bridge.webhooks.commands:resend", "Sends a delivery once more."),
        "show": (
            "lms_bridge.webhooks.commands:show",
            "Shows one webhook and its last deliveries.",
        ),
    },
)


@click.group(
    cls=LazyGroup,
    later={
        "check": (
            "lms_bridge.cli.settings:check",
            "Checks all settings at once, the database, and the Academy's side.",
        )
    },
    invoke_without_command=True,
)
@json_option
@click.pass_context
def settings(ctx: click.Context, in_json: bool) -> None:
    """Shows the effective settings: the defaults, your file, the environment. Secrets are not
    shown."""
    if ctx.invoked_subcommand is None:
        from lms_bridge.cli.settings import show

        show(in_json=in_json)


GROUPS = (
    *(account, area, centre, cycle, db, hold, keys, lti, membership, offering, operator, person),
    *(quarantine, report, roll_over),
    *(run, schedule, settings, token, webhook),
)
