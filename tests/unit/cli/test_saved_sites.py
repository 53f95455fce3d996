"""A simulated site that was saved and restored is the same site."""

from __future__ import annotations

import pytest
import requests

from lms_bridge.devtools.moodle.sample import SampleSize, sample_site
from lms_bridge.devtools.moodle.saved import restore, save
from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState


def _site() -> MoodleState:
    site = sample_site("Kept", SampleSize(courses=4, people=12, enrolments=20))
    site.people.allow_shared_emails = True
    site.people.add("twin", "Sample", "Twin", "sample1@example.org")
    group = site.groups.add(2, "Edition 1", "E-1")
    group.members[5] = None
    site.revoke("moodle/course:update")
    site.access.restrict(SERVICE_TOKEN, ["core_webservice_get_site_info"])
    site.people.remove(max(user.id for user in site.people))
    return site


def test_a_site_saved_twice_is_the_same() -> None:
    first = save(_site())
    assert save(restore(first)) == first


def test_a_restored_site_continues_its_ids() -> None:
    site = _site()
    kept = restore(save(site))
    for each in (site, kept):
        each.people.add("new", "New", "Person", "new@example.org")
        each.catalogue.add_course("NEW", "New course", 2)
        each.gradebook.add_item(2, "Another")
        each.groups.add(2, "Edition 2")
    assert [user.id for user in kept.people] == [user.id for user in site.people]
    assert [course.id for course in kept.catalogue] == [course.id for course in site.catalogue]
    assert [each.id for each in kept.gradebook.items(2)] == [
        each.id for each in site.gradebook.items(2)
    ]


def test_a_restored_site_answers_with_the_same_bytes() -> None:
    site = sample_site("Kept", SampleSize(courses=4, people=12, enrolments=20))
    assert _answers(restore(save(site))) == _answers(site)


def _answers(site: MoodleState) -> list[bytes]:
    site.wwwroot = "http://localhost"
    calls: tuple[tuple[str, dict[str, str]], ...] = (
        ("core_course_get_courses_by_field", {}),
        ("core_enrol_get_enrolled_users", {"courseid": "2"}),
        ("gradereport_user_get_grade_items", {"courseid": "2"}),
    )
    with serve(site) as server:
        server.sites[""].wwwroot = "http://localhost"
        form = {"wstoken": SERVICE_TOKEN, "moodlewsrestformat": "json"}
        return [
            requests.post(
                server.endpoint_of(), data={**form, "wsfunction": name, **more}, timeout=120
            ).content
            for name, more in calls
        ]


@pytest.mark.parametrize("spoiled", [b"", b"{}", b"[]", b'{"name": "x"}'])
def test_a_file_that_is_no_site_is_refused(spoiled: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        restore(spoiled)
