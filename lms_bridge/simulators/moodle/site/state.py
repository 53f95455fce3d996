"""A whole Moodle site, in memory."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from threading import RLock

from lms_bridge.simulators.moodle.facts import AUTHORING_CAPABILITIES, ENROLMENT_CAPABILITIES
from lms_bridge.simulators.moodle.faults import FaultPlan
from lms_bridge.simulators.moodle.pace import Pace

from .access import Access, Account
from .catalogue import Catalogue
from .classroom import Completions, Gradebook, Groups
from .enrolments import Enrolments
from .people import People
from .records import User

# Open nothing but a simulated site.
SERVICE_TOKEN = "simulatedservicetoken"  # noqa: S105 - see above
ADMIN_TOKEN = "simulatedadmintoken"  # noqa: S105 - see above


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
        self.people = People(self.lock)
        self.catalogue = Catalogue(self.lock, self.now, name)
        self.enrolments = Enrolments(self.lock)
        self.groups = Groups(self.lock)
        self.gradebook = Gradebook(self.lock)
        self.completions = Completions(self.lock)
        self.access = Access(self.lock)
        self.faults = FaultPlan()
        self.pace = Pace()
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, list[tuple[str, str]]]] | None = None
        self.people.add("guest", "Guest user", "", "root@localhost")
        admin = self.people.add("admin", "Admin", "User", "admin@example.org")
        self.access.add_account(admin.id, site_admin=True)
        self.access.add_token(ADMIN_TOKEN, admin.id)
        self.service_user_id = 0
        if service_account:
            self.add_service_account()

    def now(self) -> int:
        """The site's time, in whole seconds."""
        return int(self._clock())

    def add_service_account(
        self,
        capabilities: Iterable[str] = ENROLMENT_CAPABILITIES + AUTHORING_CAPABILITIES,
        functions: Iterable[str] | None = None,
    ) -> User:
        """Add the account that the bridge signs in as, with its token."""
        user = self.people.add("lmsbridge", "LMS", "Bridge", "lmsbridge@example.org")
        self.access.add_account(user.id, capabilities)
        self.access.add_token(SERVICE_TOKEN, user.id, functions)
        self.service_user_id = user.id
        return user

    @property
    def service(self) -> Account:
        """The service account. Raises KeyError on a site that has none."""
        return self.access.accounts[self.service_user_id]

    def revoke(self, *capabilities: str) -> None:
        """Take capabilities from the service account."""
        with self.lock:
            self.service.capabilities.difference_update(capabilities)

    def grant(self, *capabilities: str) -> None:
        """Give capabilities to the service account."""
        with self.lock:
            self.service.capabilities.update(capabilities)

    def unenrol(self, course_id: int, user_id: int) -> bool:
        """Unenrol with all that Moodle loses by it: groups and grades. False if not enrolled."""
        with self.lock:
            if not self.enrolments.remove(course_id, user_id):
                return False
            self.groups.forget(course_id, user_id)
            self.gradebook.forget(course_id, user_id)
            return True
