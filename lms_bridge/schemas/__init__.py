"""The only door through which outside data becomes ours."""

from __future__ import annotations

VERSION = 2
"""Raised whenever a schema accepts or produces something else, so that answers which did not
change are read anew once."""
