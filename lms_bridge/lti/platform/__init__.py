"""The platform side: the bridge launches learners into tools and serves them rosters and grades."""

from __future__ import annotations
