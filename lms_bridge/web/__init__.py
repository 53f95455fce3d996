"""What all pages share: access, errors, headers, languages, templates."""

from __future__ import annotations
