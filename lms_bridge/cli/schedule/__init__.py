"""`lms-bridge schedule`: a centre's schedule, pushed from a file."""

from lms_bridge.cli.schedule.command import schedule

__all__ = ["schedule"]
