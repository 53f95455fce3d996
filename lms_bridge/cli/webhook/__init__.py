"""`lms-bridge webhook`: who is told of what changed."""

from lms_bridge.cli.webhook import keeping as keeping
from lms_bridge.cli.webhook import showing as showing
from lms_bridge.cli.webhook.group import webhook

__all__ = ["webhook"]
