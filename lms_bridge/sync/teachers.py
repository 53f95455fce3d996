"""The people who teach an offering get the teacher's role in its course, if the centre wants it.

Only the Academy's id decides whose account it is. No account is made for a teacher, none is found
by its e-mail address, and whoever is in the course already is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from lms_bridge.domain.errors import AccessDenied, NotFound, RecordRefused, Refused
from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Account, FindsAccounts, GivesTeachers
from lms_bridge.store import teachers
from lms_bridge.store.teachers import Teacher, TeacherState
from lms_bridge.sync.context import RunContext

_ACADEMY_ID = re.compile(r"[A-Za-z0-9._@:+-]{1,100}")
_OURS = (TeacherState.GIVEN, TeacherState.SENDING)


def appoint(
    tx: Connection, context: RunContext, offering_id: int, academy_id: str, *, ends: bool
) -> None:
    """Names a person as a teacher of an offering, or (``ends``) as one no more. The next run gives
    the role, or takes it back.

    Raises:
        Refused: that is no Academy id.
        NotFound: the person does not teach it, and nothing ends.
    """
    if not _ACADEMY_ID.fullmatch(academy_id):
        raise Refused("not-an-id", "That is no Academy id.", "It has letters, digits and ._@:+-")
    if not ends:
        teachers.name(tx, offering_id, academy_id)
    elif not teachers.dismiss(tx, offering_id, academy_id):
        raise NotFound("no-such-teacher", "This person does not teach the offering.")
    where = context.centre.system, "teach", "teacher dismissed" if ends else "teacher named"
    context.note(Kind.OFFERING, *where, record_id=offering_id, external_id=academy_id)


def give_teachers(context: RunContext, peer: object) -> None:
    """Gives the role to whom it is due, and takes it back from those who leave. Who has no account
    there is told.

    Raises:
        StopRun, RetryLater: the LMS cannot be written to now. A later run does the rest.
    """
    if context.dry or not (isinstance(peer, GivesTeachers) and isinstance(peer, FindsAccounts)):
        return
    with context.database.reading() as tx:
        everybody = teachers.teachers(tx, context.centre.code, context.centre.system)
    due = [each for each in everybody if not each.is_settled]
    if not (due and peer.gives_teachers):
        return
    for each in due:
        if each.leaves or (each.course and each.course != each.wanted):
            with _told(context, each):
                _take(context, peer, each, everybody)
    # Whose account was not found is looked for again in the runs that try everything.
    tried = {each.id for each in due if each.course == each.wanted and not each.account}
    coming = [each for each in due if each.wanted and not each.leaves]
    coming = [each for each in coming if context.tries_all or each.id not in tried]
    accounts = peer.accounts_by_stable_id([each.academy_id for each in coming]) if coming else {}
    for each in coming:
        with _told(context, each):
            _give(context, peer, each, accounts.get(each.academy_id, ()))


@contextmanager
def _told(context: RunContext, teacher: Teacher) -> Iterator[None]:
    """What concerns one teacher stops no other."""
    try:
        yield
    except (RecordRefused, AccessDenied) as error:
        about = error.about(f"{teacher.academy_id} in {teacher.code}")
        system, record = context.centre.system, teacher.offering_id
        with context.writing() as tx:
            if teacher.state is TeacherState.NEW and not teacher.leaves:
                teachers.keep(tx, teacher, TeacherState.NEW, teacher.wanted)
            context.note(Kind.OFFERING, system, "teach", "failed", record_id=record, error=about)
        context.errors.append(("teachers", about))


def _give(
    context: RunContext, peer: GivesTeachers, teacher: Teacher, found: Sequence[Account]
) -> None:
    if len(found) != 1:
        what = "No account there has this Academy id as its ID number."
        if found:
            what = f"Several accounts there have this Academy id as their ID number: {len(found)}."
        raise RecordRefused(
            "teacher-not-found",
            what,
            "Give the teacher's account, and no other, that ID number in the LMS.",
        )
    place = teacher.wanted, found[0].external_id
    begun = teacher.state is TeacherState.SENDING and (teacher.course, teacher.account) == place
    if not begun and peer.is_in_course(*place):
        with context.writing() as tx:
            teachers.keep(tx, teacher, TeacherState.THERE, *place)
            _note(context, teacher, "teacher was there", place)
        return
    # From here on the place in the course is the bridge's own, also after a crash.
    with context.writing() as tx:
        teachers.keep(tx, teacher, TeacherState.SENDING, *place)
    peer.give_teacher(*place)
    with context.writing() as tx:
        teachers.keep(tx, teacher, TeacherState.GIVEN, *place)
        _note(context, teacher, "teacher given", place)


def _take(
    context: RunContext, peer: GivesTeachers, teacher: Teacher, everybody: Sequence[Teacher]
) -> None:
    """Takes the role back where the bridge gave it, unless another edition needs it there."""
    place = teacher.course.partition("#")[0], teacher.account
    stays = any(
        (each.course.partition("#")[0], each.account) == place and not each.leaves
        for each in everybody
        if each.id != teacher.id
    )
    taken = teacher.state in _OURS and not stays
    if taken:
        peer.take_teacher(teacher.course, teacher.account, context.policy.removal)
    with context.writing() as tx:
        if teacher.leaves:
            teachers.forget(tx, teacher)
        else:
            teachers.keep(tx, teacher, TeacherState.NEW)
        if taken:
            _note(context, teacher, "teacher taken out", (teacher.course, teacher.account))


def _note(context: RunContext, teacher: Teacher, state: str, place: tuple[str, str]) -> None:
    system, record = context.centre.system, teacher.offering_id
    where = "/".join(place)
    context.note(Kind.OFFERING, system, "teach", state, record_id=record, external_id=where)
