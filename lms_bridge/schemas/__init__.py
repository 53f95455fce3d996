"""The only door through which outside data becomes ours."""

VERSION = 1
"""Raised whenever a schema accepts or produces something else, so that answers which did not
change are read anew once."""
