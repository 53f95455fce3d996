"""The group of commands, and what they share."""

from __future__ import annotations

from typing import Any

import click

from lms_bridge.domain.events import Webhook

json_option = click.option("--json", "in_json", is_flag=True, help="Print one JSON document.")


@click.group()
def webhook() -> None:
    """Webhooks: others are told of what changed (docs/webhooks.md)."""


def told(each: Webhook) -> dict[str, Any]:
    """A webhook in JSON, without its secret."""
    return {
        "number": each.id,
        "name": each.name,
        "address": each.address,
        "centre": each.reach.centre,
        "region": each.reach.region,
        "events": sorted(each.events),
        "active": each.active,
        "reason": each.reason,
        "failing_since": each.failing_since,
        "rest_until": each.rest_until,
        "old_until": each.old_until,
        "private_addresses": each.private_addresses,
        "created_at": each.created_at,
        "created_by": each.created_by,
    }
