"""The whole chain over real HTTP: a platform that launches, the bridge, a tool that it opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select, update

from lms_bridge.lti import registrations, vocabulary
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.launch import LoginInitiation
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store import centres
from lms_bridge.store.lti_tables import launch_origin
from lms_bridge.store.tables import enrolment, link, offering
from tests.integration.lti_platform.world import World, world_on
from tests.integration.lti_tool.conftest import registration_of
from tests.peers.browser import Browser, Page
from tests.peers.platform import AGS, LTI, Platform, running

Change = Callable[[dict[str, Any]], object]


@dataclass
class Chain:
    """``academy`` is the platform of the Academy, ``registration`` what the bridge knows of it."""

    world: World
    academy: Platform
    registration: LtiRegistration
    browser: Browser = field(default_factory=Browser)

    # ---- launches ------------------------------------------------------------------------

    def click(
        self,
        learner: str = "acad-1",
        course: str = "OFF-1",
        *,
        change: Change = lambda claims: None,
        platform: Platform | None = None,
        browser: Browser | None = None,
        frame: bool = False,
    ) -> Page:
        """A click at the platform: what the bridge answers to its launch."""
        platform, browser = platform or self.academy, browser or self.browser
        headers = {"Sec-Fetch-Dest": "iframe"} if frame else {}
        address = self.world.address
        begun = browser.post(
            f"{address}/lti/tool/login", platform.login(address), headers=headers, follow=False
        )
        if "checked" in begun.headers.get("Location", ""):  # whether cookies work in the frame
            begun = browser.get(begun.goes_to, headers=headers, follow=False)

        def reported(claims: dict[str, Any]) -> None:
            claims["sub"] = learner
            claims[f"{LTI}custom"] = {"offering": course}
            change(claims)

        form = platform.answer(begun.goes_to, address, reported)
        return browser.post(f"{address}/lti/tool/launch", form, headers=headers, follow=False)

    def request_of(self, page: Page) -> dict[str, str]:
        """What the tool asks the bridge once it was sent the browser."""
        assert page.status == 303, page.text
        assert page.goes_to.startswith(self.world.registration.initiate_login_uri)
        fields = {name: given[0] for name, given in parse_qs(urlsplit(page.goes_to).query).items()}
        return self.world.auth_request(LoginInitiation("", fields))

    def arrive(self, page: Page, browser: Browser | None = None) -> dict[str, Any]:
        """What the tool is told at the end of the chain."""
        answer = (browser or self.browser).post(
            self.world.address + endpoints.AUTHENTICATION, self.request_of(page)
        )
        assert answer.status == 200, answer.text
        return self.world.read(answer.forms[-1].fields["id_token"])

    def launch(self, *args: Any, **options: Any) -> dict[str, Any]:
        return self.arrive(self.click(*args, **options), options.get("browser"))

    # ---- scores --------------------------------------------------------------------------

    def score(self, claims: dict[str, Any], given: Any, minute: int, **changed: Any) -> int:
        """The tool posts a score for whom it was told of; gives the answer's status."""
        sent = self.world.score(
            userId=claims["sub"],
            scoreGiven=given,
            scoreMaximum=100,
            timestamp=f"2026-03-01T10:{minute:02}:00Z",
            **changed,
        )
        address = f"{claims[vocabulary.AGS_ENDPOINT]['lineitem']}/scores"
        return self.world.call("POST", address, body=sent).status_code

    def scores(self, platform: Platform | None = None) -> list[tuple[str, Any, str]]:
        """(person, score, time) of what the platform took, once all was sent on."""
        self.world.settle()
        taken = (platform or self.academy).scores
        return [(each["userId"], each.get("scoreGiven"), each["timestamp"]) for each in taken]

    def send(self) -> Any:
        """What the clock's run of results does for scores."""
        self.world.settle()
        return self.world.bridge.send_scores("ONE")

    def result_links(self) -> list[Any]:
        """The links of results to their targets."""
        with self.world.bridge.database.reading() as tx:
            rows = tx.execute(select(link).where(link.c.kind == "result").order_by(link.c.id))
            return [row for row in rows.all() if row.desired]

    def links(self) -> dict[str, tuple[bool, str]]:
        """{system: (all is acknowledged, error)} of one result."""
        return {
            row.system: (row.desired == row.acknowledged and not row.sending, row.error)
            for row in self.result_links()
        }

    # ---- what is stored ------------------------------------------------------------------

    def launch_origins(self) -> list[Any]:
        with self.world.bridge.database.reading() as tx:
            return list(tx.execute(select(launch_origin).order_by(launch_origin.c.id)).all())

    def set_offering(self, **values: Any) -> None:
        with self.world.bridge.database.writing() as tx:
            tx.execute(update(offering).where(offering.c.code == "OFF-1").values(**values))

    def set_enrolment(self, learner: str = "acad-1", **values: Any) -> None:
        ids = self.world.ids
        with self.world.bridge.database.writing() as tx:
            tx.execute(
                update(enrolment)
                .where(
                    enrolment.c.offering_id == ids["OFF-1"],
                    enrolment.c.learner_id == ids[learner],
                )
                .values(**values)
            )

    def add_platform(self, platform: Platform, **more: Any) -> LtiRegistration:
        registration = registration_of(
            platform, **{"name": "Sample platform", "centre": "", **more}
        )
        with self.world.bridge.database.writing() as tx:
            return registrations.add(tx, registration)

    def allow(self, registration: LtiRegistration, any_offering: bool = True) -> LtiRegistration:
        """Lets a centre's platform open other centres' offerings, or no longer."""
        changed = replace(registration, any_offering=any_offering)
        with self.world.bridge.database.writing() as tx:
            registrations.change(tx, changed)
        return changed

    def change_registration(self, **changed: Any) -> None:
        self.registration = replace(self.registration, **changed)
        with self.world.bridge.database.writing() as tx:
            registrations.change(tx, self.registration)


@contextmanager
def chain_on(database_address: str) -> Iterator[Chain]:
    with world_on(database_address) as world, running(Platform()) as academy:
        chain = Chain(world, academy, LtiRegistration(world.registration.side))
        chain.registration = chain.add_platform(academy, name="Sample Academy")
        with world.bridge.database.writing() as tx:
            centres.change(tx, replace(world.bridge.centre("ONE"), connector="lti"))
        try:
            yield chain
        finally:
            world.settle()
            chain.browser.close()


def no_line_item(claims: dict[str, Any]) -> None:
    """A link without a column of its own: the platform tells only where its columns are."""
    del claims[f"{AGS}claim/endpoint"]["lineitem"]


def ago(**amount: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**amount)
