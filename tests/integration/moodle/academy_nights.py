"""A bridge between a fake centre and an Academy that is a simulated Moodle, night after night."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from lms_bridge.connectors.moodle import academy
from lms_bridge.devtools.moodle.records import MoodleCourse, MoodleUser
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.model import ACADEMY, Flow, Kind, Learner
from lms_bridge.domain.ports import SystemAccess
from lms_bridge.store import learners
from lms_bridge.store.tables import enrolment, learner, offering
from lms_bridge.sync.flows import Peers
from lms_bridge.sync.run import Runner
from tests.fakes.nights import Nights
from tests.integration.moodle.site_nights import LIMITS

ENROLMENTS = (Flow.ENROLMENTS,)


@dataclass
class AcademyNights(Nights):
    """Each run opens the Moodle anew, as it does in life."""

    site: MoodleState = field(default_factory=MoodleState)
    options: dict[str, Any] = field(default_factory=dict)

    def runner(self) -> Runner:
        return Runner(
            database=self.database,
            open_peers=lambda centre: Peers(self.lms, academy.open(self.access())),
            keeping=lambda lease: nullcontext(),
            lease_seconds=90,
            now=lambda: self.now,
        )

    def access(self) -> SystemAccess:
        options = {"category": 1, **self.options}
        return SystemAccess(
            ACADEMY, self.site.wwwroot, SERVICE_TOKEN, options, LIMITS, private_addresses=True
        )

    def course(self, code: str) -> MoodleCourse:
        """The course that stands for an offering."""
        (found,) = self.site.catalogue.with_value("idnumber", code)
        return found

    def person(self, number: int, **fields: Any) -> MoodleUser:
        """An account at the Academy, with the id of sample person ``number``."""
        values = {"idnumber": f"SAMPLE-{number}", **fields}
        email = f"sample{number}@example.org"
        return self.site.people.add(f"s{number}", "Given", f"Family {number}", email, **values)

    def learners(self) -> dict[int, Learner]:
        with self.database.reading() as tx:
            ids = tx.scalars(select(learner.c.id)).all()
            return learners.learners(tx, ids)

    def enrolments(self) -> dict[tuple[str, str], str]:
        """{(offering's code, Academy id): status}"""
        query = (
            select(offering.c.code, learner.c.academy_id, enrolment.c.status)
            .join(offering, offering.c.id == enrolment.c.offering_id)
            .join(learner, learner.c.id == enrolment.c.learner_id)
        )
        with self.database.reading() as tx:
            return {(code, id_): str(status) for code, id_, status in tx.execute(query)}

    def titles(self) -> dict[str, str]:
        """{code: title} of the courses that the bridge published."""
        links = self.links(ACADEMY, Kind.OFFERING)
        found = [self.site.catalogue.get(int(each.external_id)) for each in links]
        return {each.idnumber: each.fullname for each in found if each is not None}
