"""The bridge between the ITU Academy and the LMSs of its training centres."""

from __future__ import annotations

__version__ = "0.1.0"
