"""Checks the LTI connections of a system: what is missing, and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from lms_bridge.connectors.lti.roster import (
    CHECK_ROLES,
    LtiMember,
    LtiRosters,
    lack_of_learners,
    learners,
)
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.lti_ports import LtiConnection, LtiCourse, LtiSide, LtiSystem
from lms_bridge.domain.ports import ProbeFinding, Verdict

OFFERINGS, ENROLMENTS, RESULTS = "offerings", "enrolments", "results"
Shares = Callable[[LtiCourse, Sequence[LtiMember]], Iterator[ProbeFinding]]


def probe_tools(lti: LtiSystem) -> Iterator[ProbeFinding]:
    """A centre whose LMS is a tool."""
    tools = [each for each in lti.connections() if each.side is LtiSide.TOOL]
    yield from _active(
        tools, "tool connected", "No tool is connected by LTI.", "lms-bridge lti invite"
    )
    for tool in tools:
        if not tool.active:
            continue
        yield _keys(lti, tool, (ENROLMENTS, RESULTS))
        yield _granted(
            tool,
            tool.memberships,
            "memberships",
            "The tool may not read who is enrolled. It sees people only when they launch it.",
        )
        yield _granted(
            tool, tool.scores, "scores", "The tool may not send scores, so no results arrive."
        )
        yield _choice(tool)


def probe_centres_platform(lti: LtiSystem) -> Iterator[ProbeFinding]:
    """A centre whose LMS is a platform."""
    yield from _platforms(lti, (ENROLMENTS,), _shares_accounts)


def probe_academy(lti: LtiSystem) -> Iterator[ProbeFinding]:
    """The Academy's platform."""
    yield from _platforms(lti, (ENROLMENTS,), _shares_learners)


def _platforms(lti: LtiSystem, affects: tuple[str, ...], shares: Shares) -> Iterator[ProbeFinding]:
    platforms = [each for each in lti.connections() if each.side is LtiSide.PLATFORM]
    yield from _active(
        platforms,
        "platform connected",
        "No platform is connected by LTI.",
        "lms-bridge lti invite-platform",
    )
    for platform in platforms:
        if platform.active:
            yield _keys(lti, platform, affects)
            yield _token(lti, platform, affects)
            yield _granted(
                platform,
                platform.memberships,
                "memberships",
                "The platform does not grant its memberships service, so nobody is found there.",
            )
            yield _granted(
                platform,
                platform.scores,
                "scores",
                "The platform does not accept scores, so no results reach its gradebook.",
            )
    yield from _courses(lti, affects, shares)


def _active(
    found: Sequence[LtiConnection], check: str, none: str, command: str
) -> Iterator[ProbeFinding]:
    active = [each for each in found if each.active]
    if active:
        numbers = ", ".join(str(each.number) for each in active)
        yield ProbeFinding(check, Verdict.OK, f"Active: connection {numbers}.")
        return
    if found:
        number = found[-1].number
        yield ProbeFinding(
            check,
            Verdict.MISSING,
            f"The connection {number} is not active.",
            f"Check it with `lms-bridge lti show {number}`, then approve it.",
            (ENROLMENTS, RESULTS),
        )
        return
    yield ProbeFinding(
        check,
        Verdict.MISSING,
        none,
        f"Invite it with `{command}`.",
        (ENROLMENTS, RESULTS),
    )


def _keys(lti: LtiSystem, each: LtiConnection, affects: tuple[str, ...]) -> ProbeFinding:
    check = f"key set of connection {each.number}"
    return _tried(check, partial(lti.check_keys, each.number), "It can be fetched.", affects)


def _token(lti: LtiSystem, each: LtiConnection, affects: tuple[str, ...]) -> ProbeFinding:
    check = f"service token of connection {each.number}"
    return _tried(check, partial(lti.check_token, each.number), "The platform gives one.", affects)


def _tried(
    check: str, act: Callable[[], None], done: str, affects: tuple[str, ...]
) -> ProbeFinding:
    try:
        act()
    except BridgeError as error:
        return ProbeFinding(check, Verdict.MISSING, error.message, error.remedy, affects)
    return ProbeFinding(check, Verdict.OK, done)


def _granted(each: LtiConnection, granted: bool, service: str, lost: str) -> ProbeFinding:
    check = f"scores service of connection {each.number}"
    if service == "memberships":
        check = f"memberships service of connection {each.number}"
    if granted:
        return ProbeFinding(check, Verdict.OK, "It is granted.")
    remedy = "Allow it in the registration, and register again."
    return ProbeFinding(check, Verdict.WARNING, lost, remedy)


def _choice(tool: LtiConnection) -> ProbeFinding:
    check = f"choice of resources at connection {tool.number}"
    if tool.deep_linking:
        return ProbeFinding(check, Verdict.OK, "Choose offerings with lms-bridge lti choose.")
    return ProbeFinding(
        check,
        Verdict.WARNING,
        "The tool does not offer its resources for deep linking.",
        "Import offerings from a file with lms-bridge import offerings.",
    )


def _courses(lti: LtiSystem, affects: tuple[str, ...], shares: Shares) -> Iterator[ProbeFinding]:
    rosters = LtiRosters(lti)
    yield from _ended(rosters, affects)
    try:
        courses = [course for found in rosters.courses.values() for course in found]
    except BridgeError as error:
        yield ProbeFinding("platforms", Verdict.MISSING, error.message, error.remedy, affects)
        return
    if not courses and not rosters.ended:
        yield ProbeFinding(
            "courses",
            Verdict.WARNING,
            "No offering was launched from a course of the platform yet.",
            "Pick an offering into a course there (deep linking), and open it once.",
        )
    for course in courses:
        check = f"roster of {course.offering}"
        try:
            pages = rosters.pages_of(course)
            people, lack = learners(pages), lack_of_learners(pages)
        except BridgeError as error:
            yield ProbeFinding(check, Verdict.MISSING, error.message, error.remedy, affects)
            continue
        if lack:
            yield ProbeFinding(check, Verdict.WARNING, lack, CHECK_ROLES)
            continue
        yield ProbeFinding(check, Verdict.OK, f"It can be read. Learners: {len(people)}.")
        yield from shares(course, people)


def _ended(rosters: LtiRosters, affects: tuple[str, ...]) -> Iterator[ProbeFinding]:
    """Courses that are not read, because their connection is not active."""
    numbers: dict[int, set[str]] = {}
    for code, courses in rosters.ended.items():
        for course in courses:
            numbers.setdefault(course.connection, set()).add(code)
    for number, codes in sorted(numbers.items()):
        yield ProbeFinding(
            f"courses of connection {number}",
            Verdict.WARNING,
            f"It is not active, so courses are not read. Offerings concerned: {len(codes)}.",
            f"Approve it, move it to the new platform (`lms-bridge lti move {number} --to NUMBER`),"
            f" or let it go (`lms-bridge lti forget {number}`).",
            affects,
        )


_SHARE = "Let the platform share it with the tool, in the tool's privacy settings there."


def _shares_learners(course: LtiCourse, people: Sequence[LtiMember]) -> Iterator[ProbeFinding]:
    """What each registration needs."""
    lacking = {
        "e-mail address": [each for each in people if not each.email],
        "name": [e for e in people if not (e.name or e.given_name or e.family_name)],
        "id of the register": [e for e in people if course.by_sourced_id and not e.sourced_id],
    }
    for what, some in lacking.items():
        if some:
            yield ProbeFinding(
                f"{what} in {course.offering}",
                Verdict.MISSING,
                f"Learners without it cannot be enrolled: {len(some)} of {len(people)}.",
                _SHARE,
                (ENROLMENTS,),
            )


def _shares_accounts(course: LtiCourse, people: Sequence[LtiMember]) -> Iterator[ProbeFinding]:
    """What the bridge needs to match a centre's people with the Academy's learners."""
    strangers = [each for each in people if not each.sourced_id and not each.email]
    if strangers:
        yield ProbeFinding(
            f"ids in {course.offering}",
            Verdict.WARNING,
            "Learners with neither an ID number nor an e-mail address cannot be matched: "
            f"{len(strangers)} of {len(people)}.",
            _SHARE,
            (ENROLMENTS,),
        )
