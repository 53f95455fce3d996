"""What the business is: pure, without input, output or framework."""

from __future__ import annotations
