"""Records of operations as JSON documents, in the form of `schemas/responses.py`.

Both the API and `--json` of the commands use these functions, so that a program reads one form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row

from lms_bridge.api.queries import record_codes
from lms_bridge.audit import Subject
from lms_bridge.domain.access import Token
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import document, plain
from lms_bridge.domain.model import Centre, Flow, Kind
from lms_bridge.domain.network import CentreProfile, Membership, areas_on, status_of
from lms_bridge.logs import redacted_text
from lms_bridge.schemas.responses import CentreResponse
from lms_bridge.store import flow_states, holds, runs
from lms_bridge.store.waits import still_waiting
from lms_bridge.sync.holds import consequence
from lms_bridge.sync.run_state import worst

SHOWN_VALUES = frozenset({Kind.OFFERING, Kind.ENROLMENT, *Subject})
"""Kinds whose values programs see. Of people and their results they see only the field names."""
_CENTRE_FIELDS = tuple(name for name in CentreResponse().fields if name in Centre.__slots__)
NO_PROFILE = CentreProfile()


def centre_document(
    record: Centre,
    memberships: Sequence[Membership] = (),
    profile: CentreProfile = NO_PROFILE,
    *,
    today: date | None = None,
) -> dict[str, Any]:
    """The public facts about a centre, without how its LMS is reached."""
    whole, day = document(record), today or utc_now().date()
    return {
        **{name: whole[name] for name in _CENTRE_FIELDS},
        **document(profile),
        "status": plain(status_of(memberships, day)) or "",
        "priority_areas": list(areas_on(memberships, day)),
        "memberships": [membership_document(each, day) for each in memberships],
    }


def membership_document(record: Membership, today: date) -> dict[str, Any]:
    return {**document(record), "status": plain(record.period.status(today))}


def token_document(token: Token, default_per_minute: int) -> dict[str, Any]:
    return {
        "token": token.prefix,
        "purpose": token.purpose,
        "centre": token.reach.centre,
        "region": token.reach.region,
        "scopes": sorted(token.scopes),
        "expires_at": plain(token.expires_at),
        "per_minute": token.per_minute or default_per_minute,
    }


def run_document(row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.id,
        **{
            name: getattr(row, name)
            for name in ("centre", "flows", "trigger", "status", "counts", "error_code")
        },
        "asked_by": row.requested_by,
        "started_at": plain(row.started_at),
        "finished_at": plain(row.finished_at),
        "error": redacted_text(row.error),
        "waits": [{**each, "why": redacted_text(each["why"])} for each in row.waits],
    }


def centre_state_document(tx: Connection, centre: Centre) -> dict[str, Any]:
    """How the flows of a centre go, the worst of them, and what waits there now."""
    flows = flow_states.freshness(tx, centre.code)
    told = runs.waits_at_end(tx, {Flow(each.flow): each.run for each in flows})
    waits = still_waiting(tx, centre.code, told, utc_now())
    return {
        "centre": centre.code,
        "active": centre.active,
        "status": worst([each.status for each in flows]) if flows else "",
        "flows": [document(each) for each in flows],
        "waits": [{**each.document(), "why": redacted_text(each.why)} for each in waits],
    }


def item_document(row: Row[Any], *, all_values: bool = False) -> dict[str, Any]:
    """``all_values`` includes results, for operators at the command line."""
    values = row.fields
    if values is not None and not all_values and row.kind not in SHOWN_VALUES:
        values = dict.fromkeys(values)
    return {
        "number": row.id,
        **{name: getattr(row, name) for name in ("system", "kind", "action", "state", "code")},
        "external_id": redacted_text(row.external_id),
        "fields": values,
        "message": redacted_text(row.message),
        "at": plain(row.at),
    }


def hold_document(tx: Connection, row: Row[Any]) -> dict[str, Any]:
    return hold_documents(tx, [row])[0]


def hold_documents(tx: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Holds with the codes of their records, which are looked up once for each kind, and with the
    causes of their conflicts."""
    ids: dict[Kind, set[int]] = {}
    for row in rows:
        ids.setdefault(Kind(row.kind), set()).update(row.record_ids)
    codes = {kind: record_codes(tx, kind, of_kind) for kind, of_kind in ids.items()}
    causes = holds.causes(tx, [row.id for row in rows if row.reason == holds.CONFLICT])
    return [_hold_document(tx, row, codes[Kind(row.kind)], causes.get(row.id, [])) for row in rows]


def _hold_document(
    tx: Connection, row: Row[Any], known: Mapping[int, str], causes: Sequence[str]
) -> dict[str, Any]:
    codes = {id_: known[id_] for id_ in row.record_ids if id_ in known}
    return {
        "number": row.id,
        **{
            name: getattr(row, name)
            for name in ("centre", "system", "kind", "reason", "status", "out_of", "decided_by")
        },
        "records": sorted(codes.values()),
        "conflicts": _conflicts(tx, row, codes),
        "causes": [redacted_text(each) for each in causes],
        "if_approved": consequence(row, approve=True),
        "if_rejected": consequence(row, approve=False),
        "run": row.run_id,
        "created_at": plain(row.created_at),
        "decided_at": plain(row.decided_at),
    }


def _conflicts(tx: Connection, row: Row[Any], codes: Mapping[int, str]) -> list[dict[str, Any]]:
    """Of each record in conflict its fields, with both values unless they are personal."""
    return [
        {
            "record": codes.get(record_id, str(record_id)),
            "field": name,
            "ours": pair[0] if pair else None,
            "theirs": pair[1] if pair else None,
            "personal": pair is None,
        }
        for record_id, fields in sorted(holds.fields_in_conflict(tx, row).items())
        for name, pair in sorted((fields or {}).items())
    ]


def quarantine_document(row: Row[Any], *, shows_values: bool) -> dict[str, Any]:
    """A record in quarantine; ``fields`` is null for whoever may not read such records."""
    shown: Mapping[str, Any] = (row.shown or {}) if shows_values else {}
    values = shown.get("fields") or {}
    return {
        "number": row.id,
        **{name: getattr(row, name) for name in ("centre", "system", "kind", "code")},
        "external_id": redacted_text(row.external_id),
        "title": shown.get("title", ""),
        "address": redacted_text(shown.get("address", "")),
        "fields": [{"field": name, "value": value} for name, value in values.items()]
        if shows_values
        else None,
        "reason": redacted_text(row.reason),
        "remedy": row.remedy,
        "since": plain(row.since),
        "run": row.run_id,
    }


def unmatched_document(row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.id,
        "centre": row.centre,
        "learner": row.academy_id,
        "reason": row.reason,
        "accounts": [{"account": str(each), "why": why} for each, why in row.suggestions],
        "since": plain(row.since),
    }
