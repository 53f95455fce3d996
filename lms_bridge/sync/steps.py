"""A step of a flow: it reads and applies a feed, sends to a target, or acts on its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.domain.errors import BridgeError, RetryLater, StopRun
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import (
    PageError,
    Pages,
)
from lms_bridge.store import holds
from lms_bridge.store.record_names import course_name
from lms_bridge.store.waits import Wait
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.course_ends import decide_about_gone, end_courses
from lms_bridge.sync.holds import closed_by_source, hold_conflicts
from lms_bridge.sync.pull import Snapshot, SourceFeed, pull
from lms_bridge.sync.push import push
from lms_bridge.sync.targets import EnrolmentTarget, Target

Apply = Callable[[Connection, RunContext, Snapshot], None]
Act = Callable[[Connection, RunContext], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a flow: it reads and applies a feed, pushes to a target, or acts in one
    transaction. ``compare`` reads, and returns the act that keeps what it found, if
    anything. ``apply_in_parts`` applies snapshots of many changed records. ``applied`` is called
    when a feed was read and applied; ``explain`` asks why a feed shows what it does."""

    name: str
    feed: SourceFeed | None = None
    read: Callable[[], Pages] | None = None
    apply: Apply | None = None
    target: Target | None = None
    act: Act | None = None
    compare: Callable[[RunContext], Act | None] | None = None
    apply_in_parts: Callable[[RunContext, Snapshot], None] | None = None
    applied: Callable[[], None] | None = None
    explain: Callable[[RunContext, Snapshot], None] | None = None


def run_step(context: RunContext, step: Step) -> None:
    """Carries out one step.

    Raises:
        StopRun, RetryLater: the other side failed. What was done before stays done.
        LeaseLost: this run is over.
    """
    context.progress(context.centre.code, step.name, 0, 0)
    if step.target is not None:
        push(context, step.target)
        if isinstance(step.target, EnrolmentTarget) and step.target.moved:
            push(context, step.target)
        return
    act = step.compare(context) if step.compare is not None else step.act
    if act is None and step.compare is not None:
        return
    if act is not None:
        with context.writing() as tx:
            act(tx, context)
            hold_conflicts(tx, context)
        return
    snapshot = read_step(context, step)
    if snapshot is None or step.apply is None:
        return
    _apply(context, step, step.apply, snapshot)
    if step.applied is not None:
        step.applied()


def _apply(context: RunContext, step: Step, apply: Apply, snapshot: Snapshot) -> None:
    if snapshot.is_large and step.apply_in_parts is not None:
        with snapshot:
            step.apply_in_parts(context, snapshot)
        return
    if snapshot.has_changes:
        with context.writing() as tx:
            apply(tx, context, snapshot)
            hold_conflicts(tx, context)
        return
    # A source that shows exactly what was applied last took all its removals back.
    with context.database.reading() as tx:
        closed = closed_by_source(tx, context, snapshot)
    if closed:
        with context.writing() as tx:
            holds.close(tx, closed, context.now())


def read_step(context: RunContext, step: Step) -> Snapshot | None:
    """Reads the step's feed, without changing anything."""
    if step.feed is None or step.read is None:
        return None
    spills = step.apply_in_parts is not None and step.feed.tracked and not context.dry
    try:
        with context.lending():
            snapshot = pull(step.feed, step.read(), context.database, spills=spills)
    except (RetryLater, StopRun) as failure:
        context.heard(step.feed.system, failure)
        raise
    if snapshot.pages:
        context.heard(step.feed.system, None)
    for each in snapshot.unread:
        context.heard(step.feed.system, each.error)
    gone = {each.scope for each in snapshot.unread if each.gone}
    ended = _end_courses(context, step.feed.system, gone)
    snapshot.unread = [each for each in snapshot.unread if each.scope not in ended]
    context.counts["pages.read"] += snapshot.pages
    context.counts["pages.changed"] += snapshot.parsed
    context.waits += _waits_of(snapshot, known={each.why for each in context.waits})
    for unread in snapshot.unread:
        if unread.helps:
            continue
        error = _named(context, step.feed, unread)
        context.counts["pages.unread"] += 1
        context.errors.append((step.name, error))
        context.note(
            step.feed.kind,
            step.feed.system,
            "read",
            "failed",
            external_id=unread.scope,
            error=error,
        )
    if step.explain is not None:
        step.explain(context, snapshot)
    return snapshot


def _waits_of(snapshot: Snapshot, known: Collection[str]) -> list[Wait]:
    """What was not read because a person has to do something first: once for each reason."""
    reasons = Counter((each.error.message, each.helps) for each in snapshot.unread if each.helps)
    if snapshot.missed:
        command = "lms-bridge settings show"
        return [Wait("missed", Kind.OFFERING, snapshot.missed, None, _MISSED, command)]
    return [
        Wait("unread", Kind.OFFERING, number, None, why, helps)
        for (why, helps), number in reasons.items()
        if why not in known
    ]


_MISSED = (
    "The catalogue took more than one run to read and does not show them where they were. Nothing "
    "is removed for that. Raise sync.run_minutes."
)


def _named(context: RunContext, feed: SourceFeed, unread: PageError) -> BridgeError:
    """Why a page is unread, with the course that it is about."""
    scope = unread.scope.removeprefix(feed.scope_prefix)
    with context.database.reading() as tx:
        name = course_name(tx, feed.system, scope) if scope else ""
    return unread.error.about(name) if name else unread.error


def _end_courses(context: RunContext, system: str, courses: Collection[str]) -> frozenset[str]:
    """Decides about courses that are gone. Returns those of which there is no more to say."""
    if not courses or context.dry:
        return frozenset()
    end = end_courses if system == context.centre.system else decide_about_gone
    with context.writing() as tx:
        ended = end(tx, context, courses)
        hold_conflicts(tx, context)
    return ended
