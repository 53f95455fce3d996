"""Creating and changing accounts, in batches that are all or nothing when creating."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from connectors.moodle.accounts import find_by_email, look_up
from connectors.moodle.client import as_rows, part
from connectors.moodle.people import changes, moodle_language, new_account, username
from connectors.moodle.refusals import stops_everything
from connectors.moodle.site import Part, Site
from connectors.moodle.work import chunks, halving
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import Action, Done, Failed, Order, Outcomes

CREATE, UPDATE = "core_user_create_users", "core_user_update_users"
Outcome = Done | Failed
Send = Callable[[Sequence[Order]], list[Outcome]]


class Learners(Part):
    """Accounts of learners. Nobody's account is ever deleted or suspended."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._missing_languages: set[str] = set()

    def write_learners(self, orders: Sequence[Order]) -> Outcomes:
        by_action: dict[Action, list[Order]] = {action: [] for action in Action}
        for order in orders:
            by_action[order.action].append(order)
        for order in by_action[Action.REMOVE]:
            yield Done(order.key, order.external_id, made=False, note="accounts are kept")
        size = self._site.settings["people_batch"]
        for work, chosen in (
            (self._create, by_action[Action.CREATE]),
            (self._update, by_action[Action.UPDATE]),
        ):
            tasks = iter([partial(work, batch) for batch in chunks(chosen, size)])
            yield from self._site.pool.outcomes(partial(next, tasks, None))

    def _create(self, orders: Sequence[Order]) -> list[Outcome]:
        try:
            there = _there(self._site, [order for order in orders if order.again])
        except BridgeError as error:
            return _all_failed(orders, error)
        known = [_adopted(o, there[_id(o)]) for o in orders if _id(o) in there]
        new = [order for order in orders if _id(order) not in there]
        return self._update(known) + self._send(new, self._create_now)

    def _create_now(self, orders: Sequence[Order]) -> list[Outcome]:
        auth = self._site.settings["auth"]
        rows = [new_account(o.wanted, auth, self._missing_languages) for o in orders]
        reply = self._site.client.ask(CREATE, {"users": [*rows]}, repeatable=False)
        made = {str(row.get("username")): row.get("id") for row in as_rows(CREATE, reply.value)}
        return [
            Done(order.key, str(made[str(row["username"])]))
            if row["username"] in made
            else Failed(order.key, RecordRefused("not-made", f"{CREATE}: no account was made."))
            for order, row in zip(orders, rows, strict=True)
        ]

    def _update(self, orders: Sequence[Order]) -> list[Outcome]:
        known = [order for order in orders if order.external_id.isdecimal()]
        unknown = RecordRefused("not-an-account", "The external id does not name an account.")
        strange = [order for order in orders if not order.external_id.isdecimal()]
        return self._send(known, self._update_now) + _all_failed(strange, unknown)

    def _update_now(self, orders: Sequence[Order]) -> list[Outcome]:
        """Unlike creating, updating takes every good row and warns about the bad ones."""
        rows = [
            changes(o.external_id, o.wanted, o.changed, self._missing_languages) for o in orders
        ]
        reply = self._site.client.ask(UPDATE, {"users": [*rows]})
        refused = {
            str(warning.get("itemid")): str(warning.get("warningcode"))
            for warning in part(UPDATE, reply.value, "warnings")
        }
        return [_updated(order, refused.get(order.external_id)) for order in orders]

    def _send(self, orders: Sequence[Order], send: Send) -> list[Outcome]:
        outcomes: list[Outcome] = []
        if not orders:
            return outcomes
        try:
            for part_, answer in halving(orders, send):
                if isinstance(answer, RecordRefused):
                    outcomes.append(self._refused(part_[0], answer, send))
                else:
                    outcomes += answer
        except BridgeError as error:
            if stops_everything(error) and not outcomes:
                raise
            answered = {outcome.key for outcome in outcomes}
            outcomes += _all_failed([o for o in orders if o.key not in answered], error)
        return outcomes

    def _refused(self, order: Order, error: RecordRefused, send: Send) -> Outcome:
        """A second look at a row that Moodle refuses without saying why."""
        language = moodle_language(str(order.wanted.get("language") or ""))
        if language and language not in self._missing_languages:
            self._missing_languages.add(language)
            try:
                outcome = send([order])[0]
                if isinstance(outcome, Done):
                    outcome = replace(outcome, note="its language is not installed there")
                return outcome
            except RecordRefused:
                self._missing_languages.discard(language)  # it was not the language
        if order.action is Action.CREATE:
            return self._why_not_created(order, error)
        return Failed(order.key, error)

    def _why_not_created(self, order: Order, error: RecordRefused) -> Outcome:
        there = _there(self._site, [order])
        if there:
            return self._update([_adopted(order, there[_id(order)])])[0]
        email = str(order.wanted.get("email") or "")
        if email.casefold() in find_by_email(self._site, [email]):
            error = RecordRefused(
                "email-taken",
                f"{CREATE}: another account has this e-mail address.",
                "Match the learner with that account, or change the address there.",
                field="email",
            )
        return Failed(order.key, error)


def _there(site: Site, orders: Sequence[Order]) -> dict[str, str]:
    """Academy id -> account of those whom an earlier attempt created."""
    names = {username(_id(order)): _id(order) for order in orders}
    rows = look_up(site, "username", list(names)) if names else ()
    return {names[row["username"]]: str(row["id"]) for row in rows if row.get("username") in names}


def _id(order: Order) -> str:
    return str(order.wanted["academy_id"])


def _adopted(order: Order, account: str) -> Order:
    """The order that brings an account which is there already up to date."""
    return replace(order, action=Action.UPDATE, external_id=account, changed=tuple(order.wanted))


def _updated(order: Order, refused: str | None) -> Outcome:
    if refused is None:
        return Done(order.key, order.external_id)
    field = "email" if "email" in refused else ""
    code = "email-taken" if refused == "useremailduplicate" else refused
    message = f"{UPDATE}: Moodle refuses this change ({code})."
    return Failed(order.key, RecordRefused(code, message, field=field))


def _all_failed(orders: Sequence[Order], error: BridgeError) -> list[Outcome]:
    return [Failed(order.key, error) for order in orders]
