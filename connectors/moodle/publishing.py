"""Writing offerings into an Academy's Moodle, as courses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from connectors.moodle.catalogue import field_kinds, found
from connectors.moodle.client import as_rows, part
from connectors.moodle.form import Parameter
from connectors.moodle.refusals import refusal, stops_everything
from connectors.moodle.shown import LONGEST_CODE, course_row
from connectors.moodle.site import Part
from connectors.moodle.work import chunks, halving
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import (
    Action,
    Done,
    Failed,
    Order,
    Outcomes,
)

CREATE, UPDATE = "core_course_create_courses", "core_course_update_courses"
BATCH = 10
"""Courses in one call: Moodle takes about a tenth of a second for each."""
_TAKEN = frozenset({"shortnametaken", "courseidnumbertaken"})
Outcome = Done | Failed


class Publishing(Part):
    """Offerings as courses: the ID number is the offering's code."""

    def write_offerings(self, orders: Sequence[Order]) -> Outcomes:
        new = [order for order in orders if order.action is Action.CREATE]
        rest = [order for order in orders if order.action is not Action.CREATE]
        for send, chosen in ((self._make, new), (self._change, rest)):
            tasks = iter([partial(self._carry_out, send, some) for some in chunks(chosen, BATCH)])
            yield from self._site.pool.outcomes(partial(next, tasks, None))

    def _carry_out(
        self, send: Callable[[Sequence[Order]], list[Outcome]], orders: Sequence[Order]
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            for some, answer in halving(orders, send):
                if isinstance(answer, RecordRefused):
                    outcomes.append(self._refused(some[0], answer))
                else:
                    outcomes += answer
        except BridgeError as error:
            if stops_everything(error) and not outcomes:
                raise
            answered = {outcome.key for outcome in outcomes}
            outcomes += [Failed(o.key, error) for o in orders if o.key not in answered]
        return outcomes

    def _refused(self, order: Order, error: RecordRefused) -> Outcome:
        if order.action is Action.CREATE and error.code in _TAKEN:
            there = self._by_code(order)
            if there:
                return self._change([_adopted(order, there)])[0]
        return Failed(order.key, error)

    def _by_code(self, order: Order) -> str:
        code = str(order.wanted["code"])[:LONGEST_CODE]
        rows = found(self._site, "idnumber", code)
        return str(rows[0]["id"]) if rows else ""

    def _make(self, orders: Sequence[Order]) -> list[Outcome]:
        there = {order.key: self._by_code(order) for order in orders if order.again}
        known = [_adopted(order, there[order.key]) for order in orders if there.get(order.key)]
        done = self._change(known) if known else []
        todo = [order for order in orders if not there.get(order.key)]
        if not todo:
            return done
        rows = [self._new_course(order) for order in todo]
        reply = self._site.client.ask(CREATE, {"courses": [*rows]}, repeatable=False)
        made = {str(row["shortname"]): str(row["id"]) for row in as_rows(CREATE, reply.value)}
        return done + [
            Done(order.key, made[str(row["shortname"])])
            for order, row in zip(todo, rows, strict=True)
            if row["shortname"] in made
        ]

    def _new_course(self, order: Order) -> dict[str, Parameter]:
        settings = self._site.settings
        code = str(order.wanted["code"])[:LONGEST_CODE]
        return {
            "fullname": code,
            "shortname": code,
            "idnumber": code,
            "categoryid": settings["category"],
            "summaryformat": 1,
            "visible": settings["show"],
            **course_row(
                order.wanted, list(order.wanted), settings["fields"], field_kinds(self._site)
            ),
        }

    def _change(self, orders: Sequence[Order]) -> list[Outcome]:
        """Moodle takes every good row and warns about the bad ones."""
        known = [order for order in orders if order.external_id.isdecimal()]
        rows = [self._changed_course(order) for order in known]
        refused: dict[str, str] = {}
        if rows:
            reply = self._site.client.ask(UPDATE, {"courses": [*rows]})
            for warning in part(UPDATE, reply.value, "warnings"):
                refused[str(warning.get("itemid"))] = str(warning.get("warningcode"))
        return [_changed(order, refused.get(order.external_id)) for order in orders]

    def _changed_course(self, order: Order) -> dict[str, Parameter]:
        row: dict[str, Parameter] = {"id": int(order.external_id)}
        if order.action is Action.REMOVE or order.wanted.get("state") == "removed":
            return {**row, "visible": False}
        if "state" in order.changed and self._site.settings["show"]:
            row["visible"] = True
        names = order.changed or list(order.wanted)
        return {
            **row,
            **course_row(
                order.wanted, names, self._site.settings["fields"], field_kinds(self._site)
            ),
        }


def _adopted(order: Order, course: str) -> Order:
    """The order that brings a course which is there already up to date."""
    return replace(order, action=Action.UPDATE, external_id=course, changed=tuple(order.wanted))


def _changed(order: Order, refused: str | None) -> Outcome:
    if not order.external_id.isdecimal():
        refused = "not-a-course"
    if refused is None:
        return Done(order.key, order.external_id)
    if refused == "nopermissions":
        return Failed(order.key, refusal(UPDATE, {"errorcode": refused}))
    message = f"{UPDATE}: Moodle refuses this change ({refused})."
    return Failed(order.key, RecordRefused(refused, message))
