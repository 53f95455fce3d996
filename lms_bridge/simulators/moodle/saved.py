"""A site's data as one JSON document, so that a demo finds its sites as it left them.

What belongs to a process is not kept: address, pace, faults, counts of calls.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from .site.access import Account, Token
from .site.catalogue import Catalogue
from .site.classroom import Completions, Gradebook, Groups
from .site.people import People
from .site.records import (
    SITE_COURSE,
    Category,
    Completion,
    Course,
    Criterion,
    CustomField,
    Enrolment,
    Grade,
    GradeItem,
    Group,
    User,
)
from .site.state import MoodleState

Document = Mapping[str, Any]
_PLAIN = ("context_offset", "theme_revision", "service_user_id", "max_input_vars")


def save(site: MoodleState) -> bytes:
    """Everything that the site holds."""
    with site.lock:
        document = {
            "name": site.name,
            "site": {name: getattr(site, name) for name in _PLAIN},
            "people": _people(site.people),
            "catalogue": _catalogue(site.catalogue),
            "enrolments": [asdict(enrolment) for enrolment in site.enrolments],
            "groups": [
                {**asdict(group), "members": list(group.members)}
                for group in site.groups._groups.values()
            ],
            "gradebook": _gradebook(site.gradebook),
            "completions": _completions(site.completions),
            "accounts": [
                {**asdict(account), "capabilities": sorted(account.capabilities)}
                for account in site.access.accounts.values()
            ],
            "tokens": [
                {**asdict(token), "functions": _listed(token.functions)}
                for token in site.access.tokens.values()
            ],
        }
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)


def restore(saved: bytes) -> MoodleState:
    """The site as it was saved. Raises ValueError, KeyError or TypeError for anything else."""
    document = orjson.loads(saved)
    site = MoodleState(document["name"], service_account=False)
    for name in _PLAIN:
        setattr(site, name, document["site"][name])
    site.people = _restored_people(site, document["people"])
    _restore_catalogue(site.catalogue, document["catalogue"])
    for row in document["enrolments"]:
        _restore_enrolment(site, Enrolment(**row))
    _restore_groups(site.groups, document["groups"])
    _restore_gradebook(site.gradebook, document["gradebook"])
    _restore_completions(site.completions, document["completions"])
    site.access.accounts = {
        row["user_id"]: Account(row["user_id"], set(row["capabilities"]), row["site_admin"])
        for row in document["accounts"]
    }
    site.access.tokens = {row["value"]: _token(row) for row in document["tokens"]}
    return site


def _people(people: People) -> Document:
    return {
        "languages": sorted(people.languages),
        "allow_shared_emails": people.allow_shared_emails,
        "next_id": people._next_id,
        "users": [asdict(user) for user in people],
    }


def _restored_people(site: MoodleState, saved: Document) -> People:
    people = People(site.lock)
    people.allow_shared_emails = True  # whatever was allowed once is there
    for row in saved["users"]:
        people.add(**asdict(User(**row)))
    people.languages = set(saved["languages"])
    people.allow_shared_emails = saved["allow_shared_emails"]
    people._next_id = saved["next_id"]
    return people


def _catalogue(catalogue: Catalogue) -> Document:
    return {
        "categories": [asdict(category) for category in catalogue.categories.values()],
        "custom_fields": [asdict(field) for field in catalogue.custom_fields.values()],
        "courses": [asdict(course) for course in catalogue],
        "next_id": catalogue._next_id,
        "next_serial": catalogue._next_serial,
    }


def _restore_catalogue(catalogue: Catalogue, saved: Document) -> None:
    catalogue.categories = {row["id"]: Category(**row) for row in saved["categories"]}
    catalogue.custom_fields = {
        row["shortname"]: CustomField(**{**row, "options": tuple(row["options"])})
        for row in saved["custom_fields"]
    }
    catalogue._courses = {row["id"]: Course(**row) for row in saved["courses"]}
    catalogue._shortnames = {
        course.shortname for course in catalogue._courses.values() if course.id != SITE_COURSE
    }
    catalogue._next_id = saved["next_id"]
    catalogue._next_serial = _by_number(saved["next_serial"])


def _restore_enrolment(site: MoodleState, saved: Enrolment) -> None:
    enrolment = site.enrolments.enrol(
        saved.course_id, saved.user_id, None, saved.timestart, saved.timeend, saved.suspended
    )
    enrolment.roles, enrolment.lastaccess = saved.roles, saved.lastaccess


def _restore_groups(groups: Groups, saved: list[Document]) -> None:
    groups._groups = {
        row["id"]: Group(**{**row, "members": dict.fromkeys(row["members"])}) for row in saved
    }


def _gradebook(gradebook: Gradebook) -> Document:
    return {
        "items": {
            course: [asdict(item) for item in items] for course, items in gradebook._items.items()
        },
        "total_ids": gradebook._total_ids,
        "next_id": gradebook._next_id,
    }


def _restore_gradebook(gradebook: Gradebook, saved: Document) -> None:
    for course, rows in _by_number(saved["items"]).items():
        gradebook._items[course] = [
            GradeItem(
                **{
                    **row,
                    "grades": {
                        user: Grade(**grade) for user, grade in _by_number(row["grades"]).items()
                    },
                }
            )
            for row in rows
        ]
    gradebook._total_ids = _by_number(saved["total_ids"])
    gradebook._next_id = saved["next_id"]


def _completions(completions: Completions) -> Document:
    return {
        "criteria": {
            course: [asdict(criterion) for criterion in criteria]
            for course, criteria in completions._criteria.items()
        },
        "progress": [
            {"course": course, "user": user, **asdict(progress)}
            for (course, user), progress in completions._progress.items()
        ],
    }


def _restore_completions(completions: Completions, saved: Document) -> None:
    for course, rows in _by_number(saved["criteria"]).items():
        completions._criteria[course] = [Criterion(**row) for row in rows]
    for row in saved["progress"]:
        completions._progress[row["course"], row["user"]] = Completion(
            _by_number(row["met"]), row["completed_at"]
        )


def _listed(functions: frozenset[str] | None) -> list[str] | None:
    return None if functions is None else sorted(functions)


def _token(row: Document) -> Token:
    functions = None if row["functions"] is None else frozenset(row["functions"])
    return Token(row["value"], row["user_id"], functions, row["valid_until"])


def _by_number(saved: Mapping[str, Any]) -> dict[int, Any]:
    """JSON's names are texts; ours were numbers."""
    return {int(key): value for key, value in saved.items()}
