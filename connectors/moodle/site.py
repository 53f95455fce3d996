"""One opened Moodle: its client, settings and threads, and facts that are read once per session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lms_bridge.connectors.moodle.batches import CallPool
from lms_bridge.connectors.moodle.client import SITE_INFO, MoodleClient, MoodleReply, Rows
from lms_bridge.connectors.moodle.options import settings, site_address
from lms_bridge.domain.errors import AccessDenied, NotUnderstood
from lms_bridge.domain.ports import Option, Removal, SystemAccess, Visits
from lms_bridge.http.call_slots import slots_of
from lms_bridge.http.client import Http

GUEST, FIRST_ADMINISTRATOR = 1, 2
"""Accounts that every new Moodle has."""
SITE_COURSE = 1
"""The front page. Moodle keeps it as a course with all custom course fields."""
COURSES = "core_course_get_courses_by_field"

NO_DETAILS = AccessDenied(
    "no-details",
    "The service account cannot see people: rosters and look-ups would seem empty.",
    "Allow moodle/user:viewdetails to its role, in the system context. (If the site has neither "
    "its first administrator nor the guest any more, name another account in the option witness.)",
)

Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True)
class ProfileVisibility:
    """What the service account can see of other people.

    Moodle leaves out what the account may not see, without an error. If a field here is False,
    existing people or values look absent.
    """

    details: bool
    stable_ids: bool
    emails: bool
    names: bool


class MoodleSite:
    """Shared by all parts of the connector. Opening it makes no request."""

    def __init__(
        self, client: MoodleClient, address: str, settings: Mapping[str, Any], calls_at_once: int
    ) -> None:
        self.client = client
        self.address = address
        self.settings = settings
        self.calls_at_once = calls_at_once
        self.pool = CallPool(calls_at_once)
        self.removal = Removal.SUSPEND
        """What happens to enrolments that ended."""
        self.languages: tuple[str, ...] = ()
        """The centre's languages, of which the first that a text has is shown."""
        self.sees_all_groups = False
        self.counted: dict[int, int] = {}
        """{course: its people by Moodle's own count}"""
        self.visits: dict[int, Visits] = {}
        """{course: its visits, as the rosters of this session showed them}"""
        self.missing_languages: set[str] = set()
        """Languages that new accounts named and that are not installed there."""
        self._lock = threading.RLock()
        self._facts: dict[str, Any] = {}
        self._grade_locks: dict[int, threading.Lock] = {}

    def once(self, name: str, read: Callable[[], Fact]) -> Fact:
        """The fact that the first caller reads. Other threads wait for it."""
        with self._lock:
            if name not in self._facts:
                self._facts[name] = read()
            fact: Fact = self._facts[name]
            return fact

    @property
    def info(self) -> MoodleReply:
        """The site, with the functions that the token's service allows."""
        return self.once("info", self._read_info)

    def _read_info(self) -> MoodleReply:
        reply = self.client.call(SITE_INFO)
        if not isinstance(reply.value, dict) or "userid" not in reply.value:
            raise NotUnderstood(
                "not-moodle",
                "The answer about the site is not that of a Moodle.",
                "Check that the address is that of the Moodle's front page.",
            )
        return reply

    @property
    def functions(self) -> frozenset[str]:
        listed = self.info.value.get("functions") or []
        return frozenset(str(entry.get("name")) for entry in listed)

    @property
    def visible(self) -> ProfileVisibility:
        return self.once("visible", self._read_visibility)

    def _read_visibility(self) -> ProfileVisibility:
        """Looks at other people's accounts, since Moodle always shows an account to itself.

        ``username`` stands for ``idnumber``: both need moodle/user:viewalldetails, but a user name
        is never empty.
        """
        witness = self.settings["witness"]
        ids = [witness] if witness else [GUEST, FIRST_ADMINISTRATOR]
        rows = self.client.rows("core_user_get_users_by_field", {"field": "id", "values": [*ids]})
        others = [row for row in rows if row.get("id") != self.info.value["userid"]]
        return ProfileVisibility(
            details=bool(others),
            stable_ids=any("username" in row for row in others),
            emails=bool(others) and all("email" in row for row in others),
            names=bool(others) and all(row.keys() >= {"firstname", "lastname"} for row in others),
        )

    @contextmanager
    def grades_of(self, course: int) -> Iterator[None]:
        """Lets one call at a time ask for a course's grades. Two at once on a fresh course would
        make Moodle create two roots of its gradebook, which breaks it for good."""
        with self._lock:
            lock = self._grade_locks.setdefault(course, threading.Lock())
        with lock:
            yield

    def require_details(self) -> None:
        if not self.visible.details:
            raise NO_DETAILS

    def find_courses(self, field: str, value: str) -> Rows:
        """The courses with that value, as far as the service account can see them."""
        return self.client.rows(COURSES, {"field": field, "value": value}, "courses")

    @property
    def all_courses(self) -> Rows:
        """All courses that the account sees, without the front page."""
        return self.once(
            "courses",
            lambda: [row for row in self.client.rows(COURSES, name="courses") if is_course(row)],
        )

    @property
    def custom_field_types(self) -> Mapping[str, str]:
        """The type of every custom course field, by its short name."""
        return self.once(
            "field types",
            lambda: {
                str(field["shortname"]): str(field["type"])
                for row in self.find_courses("id", str(SITE_COURSE))
                for field in row.get("customfields") or ()
            },
        )

    def close(self) -> None:
        self.client.close()
        self.pool.close()


def is_course(row: Mapping[str, Any]) -> bool:
    return row.get("id") != SITE_COURSE and row.get("format") != "site"


def open_site(access: SystemAccess, declared: tuple[Option, ...]) -> MoodleSite:
    """Makes no request.

    Raises:
        SettingsInvalid: with every problem of the address, the secret and the options.
    """
    values = settings(access, declared)
    address = site_address(access)
    http = Http(
        access.limits,
        private_addresses=access.private_addresses,
        system=access.system,
        slots=slots_of(address),
    )
    client = MoodleClient(http, address, access.secret.strip())
    site = MoodleSite(client, address, values, access.limits.calls_at_once)
    site.languages, site.removal = access.languages, access.removal
    return site
