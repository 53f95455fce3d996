"""LTI 1.3 Advantage, on both sides: keys, tokens, registrations, and the two sides' own rooms."""

from __future__ import annotations
