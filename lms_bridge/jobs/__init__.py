"""What happens by itself: the clock that decides when, and the engines that carry runs out."""

from __future__ import annotations
