"""The chain: who launches the bridge from a platform goes on into the tool that serves the
offering, and the score climbs back to the platform's gradebook."""

from __future__ import annotations
