"""The command line: ``lms-bridge``, one module for each group of commands."""

from lms_bridge.cli.root import main

__all__ = ["main"]
