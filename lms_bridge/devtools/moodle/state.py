"""A whole Moodle site in memory, and who may call what."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock

from lms_bridge.devtools.faults import FaultPlan
from lms_bridge.devtools.moodle.catalogue import MoodleCatalogue
from lms_bridge.devtools.moodle.classroom import (
    Completions,
    Gradebook,
    MoodleEnrolments,
    MoodleGroups,
)
from lms_bridge.devtools.moodle.facts import (
    AUTHORING_CAPABILITIES,
    ENROLMENT_CAPABILITIES,
    ROLES,
    MoodleError,
)
from lms_bridge.devtools.moodle.pace import Pace
from lms_bridge.devtools.moodle.records import MoodleEnrolment, MoodleUser
from lms_bridge.devtools.moodle.users import MoodleUsers

# Open nothing but a simulated site.
SERVICE_TOKEN = "simulatedservicetoken"  # noqa: S105 - see above
ADMIN_TOKEN = "simulatedadmintoken"  # noqa: S105 - see above


@dataclass(slots=True)
class CallerAccount:
    """What one user may do; a site administrator may do everything."""

    user_id: int
    capabilities: set[str] = field(default_factory=set)
    site_admin: bool = False

    def can(self, capability: str) -> bool:
        return self.site_admin or capability in self.capabilities


@dataclass(slots=True)
class ServiceToken:
    """A web-service token. ``functions`` None means all; ``valid_until`` 0 means for ever."""

    value: str
    user_id: int
    functions: frozenset[str] | None = None
    valid_until: int = 0


class ServiceAccess:
    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self.accounts: dict[int, CallerAccount] = {}
        self.tokens: dict[str, ServiceToken] = {}

    def add_account(
        self, user_id: int, capabilities: Iterable[str] = (), site_admin: bool = False
    ) -> CallerAccount:
        with self._lock:
            account = CallerAccount(user_id, set(capabilities), site_admin)
            self.accounts[user_id] = account
            return account

    def add_token(
        self,
        value: str,
        user_id: int,
        functions: Iterable[str] | None = None,
        valid_until: int = 0,
    ) -> ServiceToken:
        """Give a user a token for a service of these functions (None: all)."""
        with self._lock:
            service = None if functions is None else frozenset(functions)
            token = ServiceToken(value, user_id, service, valid_until)
            self.tokens[value] = token
            return token

    def restrict(self, token: str, functions: Iterable[str] | None) -> None:
        with self._lock:
            self.tokens[token].functions = None if functions is None else frozenset(functions)


class MoodleState:
    """Everything that one simulated site holds, and the switches that change how it answers.

    A fresh site has a guest (1), an administrator (2, :data:`ADMIN_TOKEN`) and, unless
    ``service_account`` is False, a service account (:data:`SERVICE_TOKEN`) with the recorded
    capabilities and those for writing courses.

    Changing data through the rooms (``people``, ``catalogue``, ``enrolments``, ``groups``,
    ``gradebook``, ``completions``, ``access``) is safe while the site is being served; a change
    of several steps that must be seen as one goes under ``with site.lock:``.
    """

    def __init__(
        self,
        name: str = "Sample Moodle",
        *,
        clock: Callable[[], float] = time.time,
        service_account: bool = True,
    ) -> None:
        self.lock = RLock()
        self.name = name
        self._clock = clock
        self.wwwroot = "http://localhost"
        self.theme_revision = 1
        self.context_offset = 2015
        self.max_input_vars: int | None = 5000
        self.web_services = True
        self.rest_protocol = True
        self.maintenance = False
        self.more_filters: tuple[str, ...] = ()
        #: How an enrolment of an unknown or deleted account is refused. Before Moodle 4.5 it was
        #: ``codingerror`` or ``invalidparameter``, and an account that is not confirmed was
        #: enrolled.
        self.unknown_account = "invaliduser"
        #: Whether an error names what is missing. Since Moodle 5.1 none does.
        self.names_tables = True
        #: The code of what keeps the service account out of every course: a policy that it has not
        #: agreed to, a forced change of password, a required profile field. "": nothing.
        self.kept_out = ""
        #: The names that everybody sees. The others need moodle/site:viewfullnames.
        self.public_names: tuple[str, ...] = ("firstname", "lastname")
        #: Whether "Hide user fields" holds the last access, which few may then see.
        self.hides_visits = False
        #: Short names of the roles, which a centre may change.
        self.roles = dict(ROLES)
        self.people = MoodleUsers(self.lock)
        self.catalogue = MoodleCatalogue(self.lock, self.now, name)
        self.enrolments = MoodleEnrolments(self.lock)
        self.groups = MoodleGroups(self.lock)
        self.gradebook = Gradebook(self.lock)
        self.completions = Completions(self.lock)
        self.access = ServiceAccess(self.lock)
        self.faults = FaultPlan()
        self.pace = Pace()
        self.calls: Counter[str] = Counter()
        self.at_once: Counter[tuple[str, int]] = Counter()
        self.most_at_once: Counter[tuple[str, int]] = Counter()
        self.most_calls_at_once = 0
        self.log: list[tuple[str, list[tuple[str, str]]]] | None = None
        self.people.add("guest", "Guest user", "", "root@localhost")
        admin = self.people.add("admin", "Admin", "User", "admin@example.org")
        self.access.add_account(admin.id, site_admin=True)
        self.access.add_token(ADMIN_TOKEN, admin.id)
        self.service_user_id = 0
        if service_account:
            self.add_service_account()

    @contextmanager
    def in_service(self, function: str, course: int) -> Iterator[None]:
        """Counts how many calls are in service, and how many of a function about one course."""
        key = function, course
        with self.lock:
            self.at_once[key] += 1
            self.most_at_once[key] = max(self.most_at_once[key], self.at_once[key])
            self.most_calls_at_once = max(self.most_calls_at_once, self.at_once.total())
        try:
            yield
        finally:
            with self.lock:
                self.at_once[key] -= 1

    def now(self) -> int:
        return int(self._clock())

    def add_service_account(
        self,
        capabilities: Iterable[str] = ENROLMENT_CAPABILITIES + AUTHORING_CAPABILITIES,
        functions: Iterable[str] | None = None,
    ) -> MoodleUser:
        """Add the account that the bridge signs in as, with its token."""
        user = self.people.add("lmsbridge", "LMS", "Bridge", "lmsbridge@example.org")
        self.access.add_account(user.id, capabilities)
        self.access.add_token(SERVICE_TOKEN, user.id, functions)
        self.service_user_id = user.id
        return user

    @property
    def service(self) -> CallerAccount:
        """The service account. Raises KeyError on a site that has none."""
        return self.access.accounts[self.service_user_id]

    def told(self, error: MoodleError) -> MoodleError:
        """The error as this release of Moodle words it."""
        return error if self.names_tables else error.without_table()

    def revoke(self, *capabilities: str) -> None:
        with self.lock:
            self.service.capabilities.difference_update(capabilities)

    def grant(self, *capabilities: str) -> None:
        with self.lock:
            self.service.capabilities.update(capabilities)

    def is_active(self, enrolment: MoodleEnrolment) -> bool:
        """Whether an enrolment counts now: its course's method is enabled, too."""
        course = self.catalogue.get(enrolment.course_id)
        enabled = course is None or course.manual_enabled
        return enabled and enrolment.is_active(self.now())

    def delete_person(self, user_id: int) -> None:
        """Delete an account with its enrolments, as an administrator may by hand."""
        with self.lock:
            for enrolment in self.enrolments.of_user(user_id):
                self.unenrol(enrolment.course_id, user_id)
            self.people.delete(user_id, self.now())

    def unenrol(self, course_id: int, user_id: int) -> bool:
        """Unenrol with all that Moodle loses by it: groups and grades. False if not enrolled."""
        with self.lock:
            if not self.enrolments.remove(course_id, user_id):
                return False
            self.groups.forget(course_id, user_id)
            self.gradebook.forget(course_id, user_id)
            return True
