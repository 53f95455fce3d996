"""The sample centres of config/sample_centres.toml, and the made-up people of each."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lms_bridge.domain.model import Centre, EnrolmentStatus, Learner
from lms_bridge.network.memberships import NewMembership
from lms_bridge.settings import config_folder

DOMAIN = "example.org"
SHARED = 3
"""So many learners of the next centre take courses here, too."""
_WORDS = {
    **dict.fromkeys(("title", "text", "topic", "modality", "level"), ""),
    **dict.fromkeys(("hours", "price", "currency", "seats", "languages"), ""),
    "registration": "Direct",
}


@dataclass(frozen=True, slots=True)
class SampleCourse:
    """A course of a centre's Moodle. ``starts`` and ``days`` are in days; ``days`` 0 is no end."""

    code: str
    starts: int
    days: int
    words: Mapping[str, str]
    publish: bool = True

    @property
    def begun(self) -> bool:
        return self.starts < 0


@dataclass(frozen=True, slots=True)
class SampleRegistration:
    """One learner in one course, as the Academy has it."""

    course: str
    learner: Learner
    status: EnrolmentStatus


@dataclass(frozen=True)
class SampleCentre:
    """A centre, what its Moodle holds before the bridge comes, and its registrations.

    ``with_account`` are learners whom the centre knows by the Academy's id already; ``unmatched``
    have an account there that carries only their address.
    """

    centre: Centre
    membership: NewMembership
    courses: Sequence[SampleCourse]
    learners: Sequence[Learner]
    guests: Sequence[Learner]
    unmatched: int
    word: str
    seed: str = field(default="")

    @property
    def with_account(self) -> Sequence[Learner]:
        return self.learners[self.unmatched : self.unmatched + len(self.learners) // 3]

    @property
    def known_by_address(self) -> Sequence[Learner]:
        return self.learners[: self.unmatched]

    @cached_property
    def places(self) -> Sequence[SampleRegistration]:
        """Who is registered where: the same every time."""
        chance = random.Random(self.seed)  # noqa: S311  # repeatable on purpose
        people = [*self.learners, *self.guests]
        places = []
        for course in self.courses:
            share = chance.sample(people[self.unmatched :], len(people) * 3 // 5)
            if course.begun:
                share = [*self.known_by_address, *share]
            places += [
                SampleRegistration(course.code, each, _status(course, chance)) for each in share
            ]
        return places


def _status(course: SampleCourse, chance: random.Random) -> EnrolmentStatus:
    """Begun courses are full; where the coordinator selects, and where a price is to be paid,
    people are still on their way."""
    if course.begun or course.words["registration"] == "Direct":
        return EnrolmentStatus.ENROLLED
    on_the_way = (
        EnrolmentStatus.APPLIED,
        EnrolmentStatus.SELECTED,
        EnrolmentStatus.INVOICED,
        EnrolmentStatus.REJECTED,
    )
    return EnrolmentStatus.ENROLLED if chance.random() < 0.5 else chance.choice(on_the_way)


def read_samples() -> list[SampleCentre]:
    text = (config_folder() / "sample_centres.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)["centres"]
    people = [_learners(number, row) for number, row in enumerate(rows)]
    return [
        SampleCentre(
            _centre(row),
            NewMembership(row["code"], row["cycle"], priority_areas=row["priority_areas"]),
            [_course(each, row["languages"][0]) for each in row["courses"]],
            people[number],
            people[(number + 1) % len(rows)][-SHARED:],
            int(row.get("unmatched", 0)),
            row["sample_word"],
            seed=row["code"],
        )
        for number, row in enumerate(rows)
    ]


def _centre(row: Mapping[str, Any]) -> Centre:
    return Centre(
        code=row["code"],
        name=row["name"],
        region=row["region"],
        country=row["country"],
        time_zone=row["time_zone"],
        connector="moodle",
        languages=tuple(row["languages"]),
        options={"publish_field": "itu_publish"},
        sample=True,
    )


def _course(row: Mapping[str, Any], language: str) -> SampleCourse:
    words = {name: str(row.get(name, default)) for name, default in _WORDS.items()}
    words["languages"] = words["languages"] or language
    return SampleCourse(
        row["code"], row["starts"], row.get("days", 0), words, row.get("publish", True)
    )


def _learners(number: int, row: Mapping[str, Any]) -> list[Learner]:
    countries = row["countries"]
    return [
        Learner(
            f"sample-{number + 1}{place:02}",
            row["sample_word"],
            f"Learner {number + 1}{place:02}",
            f"sample-{number + 1}{place:02}@{DOMAIN}",
            row["languages"][0],
            countries[place % len(countries)],
        )
        for place in range(row["learners"])
    ]
