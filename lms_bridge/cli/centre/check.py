"""`lms-bridge centre check`: what is still missing before a centre can be synced."""

from __future__ import annotations

import click

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli import exits
from lms_bridge.cli.findings import as_json, broken_flows, show_findings
from lms_bridge.cli.output import say, tell_json
from lms_bridge.cli.session import with_bridge
from lms_bridge.domain.ports import Closes, Finding, Probes, Verdict


@click.command()
@click.argument("code")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
@with_bridge
def check(bridge: Bridge, ctx: click.Context, code: str, in_json: bool) -> None:
    """Looks at everything that the flows need of a centre's LMS, and changes nothing.

    Exit code 0 when nothing is missing, else 1.
    """
    centre = bridge.centre(code)
    lms = bridge.open_centre(centre)
    try:
        findings: list[Finding] = list(lms.probe()) if isinstance(lms, Probes) else []
    finally:
        if isinstance(lms, Closes):
            lms.close()
    missing = any(finding.verdict is Verdict.MISSING for finding in findings)
    if in_json:
        tell_json(
            {
                "centre": code,
                "broken_flows": broken_flows(findings),
                "findings": [as_json(finding) for finding in findings],
            }
        )
    elif not findings:
        say(f"The connector {centre.connector} has nothing that could be checked.")
    elif not show_findings(findings):
        say(f"{code} is ready: lms-bridge sync --centre {code} --dry-run", "green")
    if missing:
        ctx.exit(exits.SOME_FAILED)
