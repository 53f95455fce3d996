"""Pages of a long list."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import request

SIZE = 50
_FURTHEST = 100_000


@dataclass(frozen=True, slots=True)
class Paging:
    """Where in a list of ``total`` a page is; pages count from one."""

    page: int
    total: int
    size: int = SIZE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    def address(self, page: int) -> str:
        """The address of another page of the same list, filters and all."""
        values = {name: text for name, text in request.args.items() if name != "page" and text}
        if page > 1:
            values["page"] = str(page)
        path = quote(request.script_root + request.path)
        return f"{path}?{urlencode(values)}" if values else path

    @property
    def previous(self) -> str | None:
        return self.address(self.page - 1) if self.page > 1 else None

    @property
    def next(self) -> str | None:
        return self.address(self.page + 1) if self.page < self.pages else None


def asked_number(name: str) -> int:
    """The number that the address gives under a name; nonsense is zero."""
    return number_in(request.args.get(name, ""), digits=18)


def number_in(text: str, *, digits: int = 6) -> int:
    """The number that a text is, of so many digits at most; nonsense is zero."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else 0


def asked_page() -> int:
    """The page that the address asks for; nonsense asks for the first."""
    return min(max(1, asked_number("page")), _FURTHEST)
