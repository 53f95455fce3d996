"""Custom parameters, with variables replaced by their values.

Source: LTI Core 1.3, appendix C; values are replaced only where they are one variable as a whole.
What the party may not know, or the bridge does not, stays as it was written (section 4.5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from lms_bridge.domain.document import plain
from lms_bridge.domain.model import Learner, Offering
from lms_bridge.lti.parties import Privacy
from lms_bridge.lti.platform.resources import Resource
from lms_bridge.lti.vocabulary import LEARNER

KNOWN = (
    "Context.id",
    "Context.title",
    "Context.label",
    "Context.sourcedId",
    "Context.timeFrame.begin",
    "Context.timeFrame.end",
    "CourseSection.title",
    "CourseSection.label",
    "CourseSection.sourcedId",
    "CourseSection.longDescription",
    "CourseSection.timeFrame.begin",
    "CourseSection.timeFrame.end",
    "Membership.role",
    "Message.locale",
    "Person.email.primary",
    "Person.name.family",
    "Person.name.full",
    "Person.name.given",
    "Person.sourcedId",
    "ResourceLink.description",
    "ResourceLink.id",
    "ResourceLink.title",
    "User.id",
)


def values(
    subject: str,
    learner: Learner | None,
    offering: Offering,
    resource: Resource | None,
    privacy: Privacy,
    locale: str,
) -> dict[str, str]:
    """{variable: value} of one launch."""
    found = {"Message.locale": locale, "User.id": subject, **_of_offering(offering)}
    if resource is not None:
        found |= {
            "ResourceLink.id": resource.code,
            "ResourceLink.title": resource.title,
            "ResourceLink.description": resource.description,
        }
    return found | (_of_person(learner, privacy) if learner is not None else {})


def _of_offering(offering: Offering) -> dict[str, str]:
    found = {
        "Context.id": offering.code,
        "CourseSection.longDescription": offering.description,
    }
    for name in ("Context", "CourseSection"):
        found |= {
            f"{name}.title": offering.title,
            f"{name}.label": offering.course_code or offering.code,
            f"{name}.sourcedId": offering.code,
            f"{name}.timeFrame.begin": _moment(offering.starts_at),
            f"{name}.timeFrame.end": _moment(offering.ends_at),
        }
    return found


def _of_person(learner: Learner, privacy: Privacy) -> dict[str, str]:
    found = {"Membership.role": LEARNER}
    if privacy.name:
        found |= {
            "Person.name.full": full_name(learner),
            "Person.name.given": learner.given_name,
            "Person.name.family": learner.family_name,
        }
    if privacy.email:
        found["Person.email.primary"] = learner.email
    if privacy.sourced_id:
        found["Person.sourcedId"] = learner.academy_id
    return found


def full_name(learner: Learner) -> str:
    return f"{learner.given_name} {learner.family_name}".strip()


def substituted(custom: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {
        name: known.get(text[1:], text) if text.startswith("$") else text
        for name, text in custom.items()
    }


def _moment(at: datetime | None) -> str:
    return str(plain(at) or "")
