"""People who sign in: their accounts and roles, and the ways in."""

from __future__ import annotations
