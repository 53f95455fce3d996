"""Paging: a long list on numbered pages, or on pages that begin after a row."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import request

from lms_bridge.store.list_pages import ListPage, ListPlace

SIZE = 50
_LAST_PAGE = 100_000


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
        return address_with(page=str(page) if page > 1 else "")

    @property
    def previous(self) -> str | None:
        return self.address(self.page - 1) if self.page > 1 else None

    @property
    def next(self) -> str | None:
        return self.address(self.page + 1) if self.page < self.pages else None


def address_with(**changed: str) -> str:
    """The address of this page with other parameters; those that are empty are left out."""
    values = {name: text for name, text in {**request.args, **changed}.items() if text}
    path = quote(request.script_root + request.path)
    return f"{path}?{urlencode(values)}" if values else path


def number_param(name: str) -> int:
    """A number in the query of the address; 0 where it is missing or invalid."""
    return number_in(request.args.get(name, ""), digits=18)


def number_in(text: str, *, digits: int = 6) -> int:
    """A text as a number of so many digits at most; 0 where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else 0


def page_param() -> int:
    """The number of the page in the query of the address; the first where it is missing."""
    return min(max(1, number_param("page")), _LAST_PAGE)


def place_param() -> ListPlace:
    """Where the page of a list begins or ends, by the address."""
    return ListPlace(request.args.get("after", ""), request.args.get("before", ""))


def addresses_beside(page: ListPage) -> tuple[str, str]:
    """The addresses of the pages before and after one of a list; "" where there is none."""
    return (
        address_with(before=page.previous, after="") if page.previous else "",
        address_with(after=page.next, before="") if page.next else "",
    )
