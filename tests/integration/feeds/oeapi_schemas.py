"""Schemas of the Open Education API 5.0, written from its specification: what is required, the
closed lists of words, the forms of values. ``format`` is checked, too."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

UUID: Schema = {"type": "string", "format": "uuid"}
DAY: Schema = {"type": "string", "format": "date"}
LINK: Schema = {"type": "string", "pattern": r"^https?://[!-~]+$", "maxLength": 2048}
LANGUAGE: Schema = {"type": "string", "pattern": "^[a-z]{3}$"}
TYPED: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "language": {
                "type": "string",
                "pattern": r"^[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$",
            },
            "value": {"type": "string"},
        },
        "required": ["language", "value"],
    },
}
CODE: Schema = {
    "type": "object",
    "required": ["codeType", "code"],
    "additionalProperties": False,
    "properties": {
        "codeType": {"enum": ["offeringCode", "organizationId", "identifier"]},
        "code": {"type": "string"},
    },
}
MODES: Schema = {
    "type": "array",
    "items": {"enum": ["distance-learning", "on campus", "online", "hybrid", "situated"]},
}
AMOUNT: Schema = {"type": "string", "pattern": r"^\d+(?:\.\d+)?$"}
LEVELS = [
    *("secondary vocational education", "secondary vocational education 1"),
    *("secondary vocational education 2", "secondary vocational education 3"),
    *("secondary vocational education 4", "associate degree", "bachelor", "master", "doctoral"),
    *("undefined", "undivided", "nt2-1", "nt2-2"),
]
EXT: Schema = {"type": "object"}
ORGANIZATION: Schema = {
    "type": "object",
    "required": ["organizationId", "organizationType", "name", "shortName", "primaryCode"],
    "additionalProperties": False,
    "properties": {
        "organizationId": UUID,
        "primaryCode": CODE,
        "organizationType": {
            "enum": ["root", "institute", "department", "faculty", "branch", "academy", "school"]
        },
        "name": TYPED,
        "shortName": {"type": "string", "maxLength": 256},
        "parent": UUID,
        "ext": EXT,
    },
}
ONE_OR_ORGANIZATION: Schema = {"oneOf": [UUID, ORGANIZATION]}
COURSE: Schema = {
    "type": "object",
    "required": [
        *("courseId", "name", "abbreviation", "description", "teachingLanguage", "level"),
        "primaryCode",
    ],
    "additionalProperties": False,
    "properties": {
        "courseId": UUID,
        "primaryCode": CODE,
        "name": TYPED,
        "abbreviation": {"type": "string", "maxLength": 256},
        "description": TYPED,
        "teachingLanguage": LANGUAGE,
        "level": {"enum": LEVELS},
        "studyLoad": {
            "type": "object",
            "properties": {
                "studyLoadUnit": {"enum": ["contacttime", "ects", "sbu", "sp", "hour"]},
                "value": {"type": "number"},
            },
        },
        "modeOfDelivery": MODES,
        "learningOutcomes": {"type": "array", "items": TYPED},
        "admissionRequirements": TYPED,
        "qualificationRequirements": TYPED,
        "link": LINK,
        "organization": ONE_OR_ORGANIZATION,
        "ext": EXT,
    },
}
OFFERING: Schema = {
    "type": "object",
    "required": [
        *("offeringId", "primaryCode", "offeringType", "name", "description"),
        *("teachingLanguage", "resultExpected", "startDate", "endDate"),
    ],
    "additionalProperties": False,
    "properties": {
        "offeringId": UUID,
        "primaryCode": CODE,
        "offeringType": {"enum": ["course"]},
        "name": TYPED,
        "abbreviation": {"type": "string", "maxLength": 256},
        "description": TYPED,
        "teachingLanguage": LANGUAGE,
        "modeOfDelivery": MODES,
        "maxNumberStudents": {"type": "integer", "minimum": 0},
        "resultExpected": {"type": "boolean"},
        "link": LINK,
        "startDate": DAY,
        "endDate": DAY,
        "enrollStartDate": DAY,
        "enrollEndDate": DAY,
        "flexibleEntryPeriodStart": DAY,
        "flexibleEntryPeriodEnd": DAY,
        "priceInformation": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["costType"],
                "additionalProperties": False,
                "properties": {
                    "costType": {"enum": ["total costs", "STAP eligible"]},
                    "amount": AMOUNT,
                    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                },
            },
        },
        "course": {"oneOf": [UUID, COURSE]},
        "organization": ONE_OR_ORGANIZATION,
        "ext": EXT,
    },
}
PROBLEM: Schema = {
    "type": "object",
    "required": ["status", "title"],
    "properties": {
        "status": {"type": "string"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
    },
}


def page_of(items: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["pageSize", "pageNumber", "hasPreviousPage", "hasNextPage", "items"],
        "additionalProperties": False,
        "properties": {
            "pageSize": {"enum": [10, 20, 50, 100, 250]},
            "pageNumber": {"type": "integer", "minimum": 1},
            "hasPreviousPage": {"type": "boolean"},
            "hasNextPage": {"type": "boolean"},
            "totalPages": {"type": "integer"},
            "items": {"type": "array", "items": items},
        },
    }
