"""Where the catalogue and its feeds are found."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class Addresses:
    """Absolute addresses under ``base``, the bridge's own public address without a last slash."""

    base: str

    def under(self, path: str, **asked: str) -> str:
        """A path of this server, with what is asked for in its query; empty texts are left out."""
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{self.base}{path}?{query}" if query else f"{self.base}{path}"

    @property
    def catalogue(self) -> str:
        return f"{self.base}/catalogue"

    def offering(self, code: str) -> str:
        """The page of an offering."""
        return f"{self.base}/catalogue/{quote(code, safe='/')}"
