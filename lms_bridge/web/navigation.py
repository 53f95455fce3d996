"""The navigation: which pages the header names, in groups, for whoever reads.

A room adds its pages by one line here. An entry is shown where its page exists and the reader may
use it. A count beside it says that something waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flask import Flask, current_app, request, url_for

from lms_bridge.domain.access import Scope
from lms_bridge.web.access import User, current_user
from lms_bridge.web.languages import word

_COUNTS = "lms_bridge.navigation_counts"


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the navigation. ``need``: the scope without which it is not shown."""

    endpoint: str
    title: str
    need: Scope | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Pages that belong together. ``signed_in``: only somebody who is signed in sees them."""

    title: str
    entries: tuple[Entry, ...]
    signed_in: bool = True


GROUPS = (
    Group(
        "Public pages",
        (
            Entry("public.overview", "Overview"),
            Entry("catalogue.show", "Catalogue"),
            Entry("directory.show", "Training centres"),
        ),
        signed_in=False,
    ),
    Group(
        "My work",
        (
            Entry("my.show", "My courses"),
            Entry("centre_desk.show_all", "My centre", Scope.WRITE_RESULTS),
            Entry("reviews.show_all", "Reviews", Scope.REVIEW_OFFERINGS),
        ),
    ),
    Group(
        "Operations",
        tuple(
            Entry(endpoint, title, Scope.READ_OPERATIONS)
            for endpoint, title in (
                ("admin.operations", "Operations"),
                ("admin.centres", "Centres"),
                ("admin.runs", "Runs"),
                ("holds.show_all", "Holds"),
                ("people.show_all", "People"),
                ("quarantine.show_quarantine", "Quarantine"),
                ("conflicts.show_conflicts", "Conflicts"),
                ("figures.show_days", "Figures"),
            )
        ),
    ),
    Group(
        "Administration",
        (
            Entry("connections.show", "Connections", Scope.ADMINISTER),
            Entry("connections.show_refused", "Refused launches", Scope.ADMINISTER),
            Entry("tokens.show", "Tokens", Scope.ADMINISTER),
            Entry("webhooks.show", "Webhooks", Scope.ADMINISTER),
            Entry("accounts.show", "Accounts", Scope.ADMINISTER),
            Entry("audit.show", "Audit", Scope.ADMINISTER),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as the header shows it. ``current``: "page", "true" (a page below it), or ""."""

    title: str
    address: str
    current: str
    count: int


def count_for(app: Flask, endpoint: str, count: Callable[[], int]) -> None:
    """Shows beside an entry how much waits there. ``count`` is asked at each page that shows it."""
    app.extensions.setdefault(_COUNTS, {})[endpoint] = count


def navigation() -> list[tuple[str, list[Shown]]]:
    """The groups that the reader sees, each with its title."""
    user = current_user()
    groups = [
        (word(group.title), list(_shown(group, user)))
        for group in GROUPS
        if not group.signed_in or user is not None
    ]
    return [(title, entries) for title, entries in groups if entries]


def navigation_count(groups: Sequence[tuple[str, list[Shown]]]) -> int:
    """How much waits, for the folded menu. The first page of the operators counts what the pages
    beside it count, too, so the largest number of a group is the group's."""
    return sum(max(entry.count for entry in entries) for _, entries in groups)


def _shown(group: Group, user: User | None) -> Iterator[Shown]:
    counts = current_app.extensions.get(_COUNTS, {})
    for entry in group.entries:
        if entry.endpoint not in current_app.view_functions:
            continue
        if entry.need is not None and (user is None or not user.may(entry.need)):
            continue
        if group.signed_in and entry.need is None and not _has_own_pages(user):
            continue
        address = url_for(entry.endpoint)
        count = counts[entry.endpoint]() if entry.endpoint in counts else 0
        yield Shown(word(entry.title), address, _current(entry.endpoint, address), count)


def _has_own_pages(user: User | None) -> bool:
    """Whether they are a learner or have an account; an operator by a link has neither."""
    return user is not None and (user.account is not None or user.learner is not None)


def _current(endpoint: str, address: str) -> str:
    if request.endpoint == endpoint:
        return "page"
    below = len(address) > 1 and request.path.startswith(f"{address}/")
    return "true" if below else ""


def add_to(app: Flask) -> None:
    app.jinja_env.globals.update(navigation=navigation, navigation_count=navigation_count)
