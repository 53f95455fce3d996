"""The gradebook: learners see their own scores, whoever teaches sees all."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, Response

from lms_bridge.simulators.lti.platform.people import needs
from lms_bridge.simulators.lti.platform.state import Person, PlatformState
from lms_bridge.simulators.lti.showing import page


@dataclass(frozen=True, slots=True)
class Row:
    """``score`` is empty where there is none."""

    course: str
    item: str
    person: str
    score: str
    at: str


def add_to(app: Flask, platform: PlatformState) -> None:
    @app.get("/grades")
    def grades() -> Response:
        person = needs(platform)
        return page("grades.html", person=person, rows=rows_for(platform, person))


def rows_for(platform: PlatformState, person: Person) -> list[Row]:
    shown = []
    with platform.lock:
        for (item_id, learner), score in platform.scores.items():
            item = platform.line_items.get(item_id)
            if item is None or not (person.teaches or learner == person.id):
                continue
            course, who = platform.courses[item.course], platform.people[learner]
            told = "" if score.given is None else f"{score.given:g} of {score.maximum:g}"
            shown.append(Row(course.title, item.label, who.name, told, score.at))
    return shown
