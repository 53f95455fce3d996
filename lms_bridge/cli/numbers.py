"""Numbers that people type."""

from __future__ import annotations

import click

NUMBER = click.IntRange(1, 2**31 - 1)
"""The number of a record, as lists show it: no database has to keep a larger one."""
