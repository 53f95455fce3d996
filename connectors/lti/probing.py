"""The probes: what the connections of a system still lack, with what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from connectors.lti.members import Member, learners
from connectors.lti.rosters import Rosters
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.lti_ports import LtiConnection, LtiCourse, LtiSide, LtiSystem
from lms_bridge.domain.ports import Finding, Verdict

OFFERINGS, ENROLMENTS, RESULTS = "offerings", "enrolments", "results"
Shares = Callable[[LtiCourse, Sequence[Member]], Iterator[Finding]]


def probe_tools(lti: LtiSystem) -> Iterator[Finding]:
    """A centre's LMS as a tool of the bridge's."""
    tools = [each for each in lti.connections() if each.side is LtiSide.TOOL]
    yield from _active(tools, "tool", "lms-bridge lti invite")
    for tool in tools:
        if not tool.active:
            continue
        yield _keys(lti, tool, (ENROLMENTS, RESULTS))
        yield _granted(
            tool,
            tool.memberships,
            "memberships",
            "The tool may not ask who is enrolled; people come by launches alone.",
        )
        yield _granted(
            tool, tool.scores, "scores", "The tool may not post scores: no results come back."
        )
        yield _choice(tool)


def probe_centres_platform(lti: LtiSystem) -> Iterator[Finding]:
    """A centre's LMS as a platform that launches the bridge."""
    yield from _platforms(lti, (ENROLMENTS,), _shares_accounts)


def probe_academy(lti: LtiSystem) -> Iterator[Finding]:
    """The Academy's platform."""
    yield from _platforms(lti, (ENROLMENTS,), _shares_learners)


def _platforms(lti: LtiSystem, affects: tuple[str, ...], shares: Shares) -> Iterator[Finding]:
    platforms = [each for each in lti.connections() if each.side is LtiSide.PLATFORM]
    yield from _active(platforms, "platform", "lms-bridge lti invite-platform")
    for platform in platforms:
        if platform.active:
            yield _keys(lti, platform, affects)
            yield _token(lti, platform, affects)
            yield _granted(
                platform,
                platform.memberships,
                "memberships",
                "The platform does not grant its memberships service: nobody is found there.",
            )
            yield _granted(
                platform,
                platform.scores,
                "scores",
                "The platform does not take scores: no results go to its gradebook.",
            )
    yield from _courses(lti, affects, shares)


def _active(found: Sequence[LtiConnection], kind: str, command: str) -> Iterator[Finding]:
    check = f"{kind} connected"
    active = [each for each in found if each.active]
    if active:
        numbers = ", ".join(str(each.number) for each in active)
        yield Finding(check, Verdict.OK, f"Active: connection {numbers}.")
        return
    if found:
        number = found[-1].number
        yield Finding(
            check,
            Verdict.MISSING,
            f"The connection {number} is not active.",
            f"Look at it with `lms-bridge lti show {number}`, and approve it.",
            (ENROLMENTS, RESULTS),
        )
        return
    yield Finding(
        check,
        Verdict.MISSING,
        f"No {kind} is connected by LTI.",
        f"Invite it with `{command}`.",
        (ENROLMENTS, RESULTS),
    )


def _keys(lti: LtiSystem, each: LtiConnection, affects: tuple[str, ...]) -> Finding:
    check = f"key set of connection {each.number}"
    return _tried(check, partial(lti.check_keys, each.number), "It can be fetched.", affects)


def _token(lti: LtiSystem, each: LtiConnection, affects: tuple[str, ...]) -> Finding:
    check = f"service token of connection {each.number}"
    return _tried(check, partial(lti.check_token, each.number), "The platform gives one.", affects)


def _tried(check: str, act: Callable[[], None], done: str, affects: tuple[str, ...]) -> Finding:
    try:
        act()
    except BridgeError as error:
        return Finding(check, Verdict.MISSING, error.message, error.remedy, affects)
    return Finding(check, Verdict.OK, done)


def _granted(each: LtiConnection, granted: bool, service: str, lost: str) -> Finding:
    check = f"{service} service of connection {each.number}"
    if granted:
        return Finding(check, Verdict.OK, "It is granted.")
    remedy = "Allow it in the registration, and register again."
    return Finding(check, Verdict.WARNING, lost, remedy)


def _choice(tool: LtiConnection) -> Finding:
    check = f"choice of resources at connection {tool.number}"
    if tool.deep_linking:
        return Finding(check, Verdict.OK, "Offerings can be chosen: lms-bridge lti choose.")
    return Finding(
        check,
        Verdict.WARNING,
        "The tool does not let its resources be chosen (deep linking).",
        "Bring offerings as a file: lms-bridge import offerings.",
    )


def _courses(lti: LtiSystem, affects: tuple[str, ...], shares: Shares) -> Iterator[Finding]:
    rosters = Rosters(lti)
    courses = [course for found in rosters.courses.values() for course in found]
    if not courses:
        yield Finding(
            "courses",
            Verdict.WARNING,
            "No offering was launched from a course of the platform yet.",
            "Pick an offering into a course there (deep linking), and open it once.",
        )
    for course in courses:
        check = f"roster of {course.offering}"
        try:
            people = learners(rosters.in_(course))
        except BridgeError as error:
            yield Finding(check, Verdict.MISSING, error.message, error.remedy, affects)
            continue
        yield Finding(check, Verdict.OK, f"It can be read: {len(people)} learner(s).")
        yield from shares(course, people)


_SHARE = "Let the platform share it with the tool, in the tool's privacy settings there."


def _shares_learners(course: LtiCourse, people: Sequence[Member]) -> Iterator[Finding]:
    """What registrations cannot be without."""
    lacking = {
        "e-mail address": [each for each in people if not each.email],
        "name": [e for e in people if not (e.name or e.given_name or e.family_name)],
        "id of the register": [e for e in people if course.by_sourced_id and not e.sourced_id],
    }
    for what, some in lacking.items():
        if some:
            yield Finding(
                f"{what} in {course.offering}",
                Verdict.MISSING,
                f"{len(some)} of {len(people)} learner(s) come without: they cannot be enrolled.",
                _SHARE,
                (ENROLMENTS,),
            )


def _shares_accounts(course: LtiCourse, people: Sequence[Member]) -> Iterator[Finding]:
    """By what the people of a centre's LMS are matched with the Academy's learners."""
    strangers = [each for each in people if not each.sourced_id and not each.email]
    if strangers:
        yield Finding(
            f"ids in {course.offering}",
            Verdict.WARNING,
            f"{len(strangers)} of {len(people)} learner(s) come with neither an ID number nor an "
            "e-mail address: they cannot be matched.",
            _SHARE,
            (ENROLMENTS,),
        )
