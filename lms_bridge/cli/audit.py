"""Who gives a command, as the audit calls them."""

from __future__ import annotations

from lms_bridge.cli.hold import user_name
from lms_bridge.sync.auditing import COMMAND, By
from lms_bridge.sync.work import utc_now


def by_command() -> By:
    return By(user_name(), COMMAND, utc_now())
