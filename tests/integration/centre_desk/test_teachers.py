"""A coordinator names who teaches a course, and takes them away again."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from lms_bridge.domain.roles import Role
from lms_bridge.store.api_tables import run_request
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item
from tests.databases import BOTH
from tests.integration.accounts.browser import send
from tests.integration.centre_desk.conftest import Browser

PAGE = "/my-centre/AFR/teachers/AFR-1"


@BOTH
def test_a_teacher_is_named_and_taken_away_and_the_audit_says_so(
    browser: Browser, database: Database
) -> None:
    coordinator = browser()
    assert "Nobody is named as a teacher of this course." in coordinator.get(PAGE).text
    for _ in range(2):  # a double click names them once
        answer = send(coordinator, PAGE, {"teacher": " ACAD-7 "})
        assert answer.status_code == 303
    page = coordinator.get(answer.headers["Location"]).text
    assert page.count('<bdi dir="ltr">ACAD-7</bdi>') == 1
    assert "Gets the role with the next run." in page
    for _ in range(2):  # two people take them away at once
        answer = send(coordinator, PAGE, {"teacher": "ACAD-7", "end": "1"})
        assert answer.status_code == 303, answer.text
    assert "Loses the role with the next run." in coordinator.get(PAGE).text
    with database.reading() as tx:
        said = tx.scalars(select(item.c.state).where(item.c.action == "teach")).all()
        wanted = tx.scalars(select(run_request.c.centre)).all()
    assert said == ["teacher named", "teacher named", "teacher dismissed"]
    assert set(wanted) == {"AFR"}


@pytest.mark.parametrize("name", ["", "<script>", "x" * 101 + "é", "two words"])
def test_what_is_no_academy_id_is_shown_again_with_the_reason(browser: Browser, name: str) -> None:
    answer = send(browser(), PAGE, {"teacher": name})
    assert answer.status_code == 422
    assert "That is no Academy id." in answer.text
    assert "<script>" not in answer.text


def test_others_may_look_or_see_nothing(browser: Browser) -> None:
    instructor = browser(role=Role.INSTRUCTOR)
    assert "Add a teacher" not in instructor.get(PAGE).text
    assert send(instructor, PAGE, {"teacher": "ACAD-7"}).status_code == 403
    stranger = browser("ARB")
    assert stranger.get(PAGE).status_code == 404
    assert send(stranger, PAGE, {"teacher": "ACAD-7"}).status_code == 404
