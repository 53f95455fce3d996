"""The Academy's platform in memory: a real implementation of its ports, with state and faults.

Its points (``Steps``): ``read``, ``answer``, ``offering.before``, ``offering.after``,
``result.before``, ``result.after`` and, once a batch's effects are there but nobody knows,
``sent``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import (
    Action,
    Page,
    PageError,
    Pages,
    RawRecord,
    Slices,
    WriteRequest,
    WriteResults,
    Written,
)
from tests.fakes.centre import carry_out, reported
from tests.fakes.steps import Steps


def sample_person(number: int, **fields: Any) -> dict[str, Any]:
    """A sample person, in the fields of ``LearnerSchema``."""
    return {
        "id": f"SAMPLE-{number}",
        "given_name": f"Sample{number}",
        "family_name": "Person",
        "email": f"sample{number}@example.org",
        **fields,
    }


@dataclass
class Registration:
    centre: str
    offering: str
    learner: str
    status: str
    changed: int
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class FakeAcademy:
    """Fill it by its methods; look into ``catalogue`` and ``results``.

    ``offerings`` maps external ids to what was sent; ``page`` is how many registrations one answer
    holds. ``unreadable`` are scopes whose answers fail with an error.
    """

    steps: Steps = field(default_factory=Steps)
    batch: int = 3
    page: int = 5
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    registrations: dict[str, Registration] = field(default_factory=dict)
    offerings: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent_results: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    unreadable: dict[str, BridgeError] = field(default_factory=dict)
    refused: dict[str, BridgeError] = field(default_factory=dict)
    parsed: list[str] = field(default_factory=list)
    requests: list[WriteRequest] = field(default_factory=list)
    closed: int = 0
    _clock: int = 0
    _last: int = 0

    # ---- what the Academy's own people do ----------------------------------------------

    def register(
        self,
        centre: str,
        offering: str,
        learner: Mapping[str, Any],
        status: str = "enrolled",
        *,
        key: str = "",
        **fields: Any,
    ) -> str:
        """Registers somebody (the fields of ``LearnerSchema``) for an offering, named by its code
        or its external id; gives the registration's id."""
        self._last += 1
        key = key or f"r{self._last}"
        self.people[learner["id"]] = dict(learner)
        self.registrations[key] = Registration(
            centre, offering, learner["id"], status, self._tick(), fields
        )
        return key

    def change(self, registration: str, status: str) -> None:
        self.registrations[registration].status = status
        self.registrations[registration].changed = self._tick()

    def change_person(self, learner: str, **fields: Any) -> None:
        self.people[learner].update(fields)
        for each in self.registrations.values():
            if each.learner == learner:
                each.changed = self._tick()

    def forget(self, registration: str) -> None:
        """Deletes a registration outright; nobody who follows changes hears of it."""
        del self.registrations[registration]

    def _tick(self) -> int:
        self._clock += 1
        return self._clock

    def code(self, offering: str) -> str:
        """The code of an offering that is named by its external id or its code."""
        return str(self.offerings.get(offering, {}).get("code", offering))

    @property
    def catalogue(self) -> dict[str, str]:
        """{code: title} of what the public sees. Fails when an offering is there twice."""
        shown = [each for each in self.offerings.values() if each.get("state") == "active"]
        codes = [str(each["code"]) for each in shown]
        if len(codes) != len(set(codes)):
            raise AssertionError(f"an offering is in the catalogue twice: {sorted(codes)}")
        return {str(each["code"]): str(each["title"]) for each in shown}

    @property
    def results(self) -> dict[tuple[str, str], dict[str, Any]]:
        """{(code, learner): document}"""
        return {
            (self.code(offering), learner): document
            for (offering, learner), document in self.sent_results.items()
        }

    # ---- reading -----------------------------------------------------------------------

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Pages:
        self.steps("read")
        mine = [(k, r) for k, r in self.registrations.items() if r.centre == centre]
        cursor = str(self._clock)
        pages = range(0, max(len(mine), 1), self.page)
        for start in pages:
            last = start == pages[-1]
            page = mine[start : start + self.page]
            yield self._answer(
                f"page {start // self.page}", page, whole=True, cursor=cursor if last else ""
            )

    def registrations_since(self, centre: str, offerings: Mapping[str, str], cursor: str) -> Pages:
        self.steps("read")
        changed = [
            (key, each)
            for key, each in self.registrations.items()
            if each.centre == centre and each.changed > int(cursor)
        ]
        yield self._answer("changes", changed, whole=False, cursor=str(self._clock))

    def _answer(
        self,
        scope: str,
        registrations: Sequence[tuple[str, Registration]],
        *,
        whole: bool,
        cursor: str,
    ) -> Page | PageError:
        self.steps("answer")
        if scope in self.unreadable:
            return PageError(scope, self.unreadable[scope])
        records = [
            (
                key,
                {
                    "offering": each.offering,
                    "learner": self.people[each.learner],
                    "status": each.status,
                    **each.fields,
                },
            )
            for key, each in registrations
        ]
        body, parse = reported(records, lambda: self.parsed.append(f"registrations {scope}"))
        slices = Slices(lambda: [orjson.dumps(each) for each in records], self._registration)
        return Page(scope, body, parse, whole, cursor, slices=slices)

    def _registration(self, one: bytes) -> RawRecord:
        external_id, fields = orjson.loads(one)
        self.parsed.append(external_id)
        return RawRecord(external_id, fields)

    def show_offerings(self, external_ids: Sequence[str]) -> Pages:
        self.steps("read")
        for external_id in external_ids:
            self.steps("answer")
            shown = self.offerings.get(external_id)
            records = [] if shown is None else [(external_id, shown)]
            note = partial(self.parsed.append, f"offering {external_id}")
            body, parse = reported(records, note)
            yield Page(external_id, body, parse)

    # ---- writing -----------------------------------------------------------------------

    def write_offerings(self, requests: Sequence[WriteRequest]) -> WriteResults:
        self.requests.extend(requests)
        yield from carry_out(
            self.steps, "offering", requests, self.batch, self._write_offering, self.refused
        )

    def _write_offering(self, request: WriteRequest) -> str | Written:
        desired = request.desired
        code = str(desired["code"])
        there = [key for key, each in self.offerings.items() if each["code"] == code]
        if request.action is Action.REMOVE:
            if there:
                self.offerings[there[0]]["state"] = "removed"
            return request.external_id or (there[0] if there else f"a-{code}")
        if request.external_id in self.offerings:
            # Only what changed is written, as a site with separate fields would have it.
            known = self.offerings[request.external_id]
            known.update({name: desired[name] for name in desired if _is_sent(request, name)})
            return request.external_id
        if there and request.is_retry:
            self.offerings[there[0]] = dict(desired)
            return there[0]
        self._last += 1
        self.offerings[f"a{self._last}"] = dict(desired)
        return f"a{self._last}"

    def write_results(self, requests: Sequence[WriteRequest]) -> WriteResults:
        self.requests.extend(requests)
        yield from carry_out(
            self.steps, "result", requests, self.batch, self._write_result, self.refused
        )

    def _write_result(self, request: WriteRequest) -> str:
        offering, learner = str(request.desired["offering"]), str(request.desired["account"])
        if offering not in self.offerings:
            raise RecordRefused("no-such-offering", "There is no such offering.")
        if learner not in self.people:
            raise RecordRefused("no-such-learner", "There is no such learner.")
        self.sent_results[offering, learner] = dict(request.desired)
        return f"{offering}/{learner}"

    def close(self) -> None:
        self.closed += 1


def _is_sent(request: WriteRequest, name: str) -> bool:
    return request.action is Action.CREATE or not request.changed or name in request.changed
