"""What a reviewer decides about one offering, with the comments that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.audit import Actor
from lms_bridge.bridge import Bridge
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.domain.reviews import ReviewPoint
from lms_bridge.store import offerings, reviews
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import (
    OfferingChange,
    change_offering,
    changed_meanwhile,
    comment_on,
)

DECISIONS = (
    OfferingAction.REVIEW,
    OfferingAction.OBJECT,
    OfferingAction.PUBLISH,
    OfferingAction.CLOSE,
)


@dataclass(frozen=True, slots=True)
class ReviewDecision:
    """What the form says. ``action`` None: comments alone. ``version`` is that of the page which
    the reviewer saw."""

    code: str
    version: str
    action: OfferingAction | None = None
    reason: str = ""
    point: str = ""
    comments: Mapping[ReviewPoint, str] = field(default_factory=dict)


def version_of(tx: Connection, record_id: int) -> str:
    """Changes with each act and each comment: nobody decides about what they did not see."""
    lines, comments = reviews.changes_of(tx, record_id), reviews.comments_of(tx, record_id)
    return f"{len(lines)}.{len(comments)}"


def carry_out(bridge: Bridge, centre: Centre, actor: Actor, decision: ReviewDecision) -> None:
    """Keeps the comments and does the action, all or nothing. The same form sent twice is done
    once.

    Raises:
        Refused: somebody acted meanwhile, or the action is not possible; nothing was changed.
    """

    def act(tx: Connection, context: RunContext) -> None:
        record_id, _ = offerings.offerings_by_code(tx, [decision.code])[decision.code]
        if version_of(tx, record_id) != decision.version:
            if _was_done(tx, record_id, decision, actor.name):
                return
            raise changed_meanwhile()
        for point, text in decision.comments.items():
            comment_on(tx, context, decision.code, point, text, actor.name)
        if decision.action is not None:
            change = OfferingChange(
                decision.code,
                decision.action,
                decision.reason,
                by=actor.name,
                point=decision.point,
            )
            change_offering(tx, context, change, bridge.settings.rules)
        elif not decision.comments:
            raise Refused("nothing-said", "You have written no comment.")

    bridge.act(centre, Flow.OFFERINGS, actor, act)


def _was_done(tx: Connection, record_id: int, decision: ReviewDecision, who: str) -> bool:
    """Whether this person's form was carried out already, just as it is."""
    lines, comments = map(int, decision.version.split("."))
    later = reviews.comments_of(tx, record_id)[comments:]
    said = [(each.by, each.point, each.text) for each in later]
    if said != [(who, str(point), text) for point, text in decision.comments.items()]:
        return False
    done = [
        (each.by, each.action, each.reason) for each in reviews.changes_of(tx, record_id)[lines:]
    ]
    wanted = [] if decision.action is None else [(who, str(decision.action), decision.reason)]
    return done == wanted
