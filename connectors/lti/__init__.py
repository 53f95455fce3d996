"""Connectors ``lti`` and ``academy_lti``: systems that the bridge reaches by LTI 1.3 alone.

Offerings come by deep linking, enrolments by the memberships service, results by the score service.
``lms_bridge.lti`` speaks LTI. These connectors only use its connections.
"""

from __future__ import annotations

from collections.abc import Iterator

from lms_bridge.connectors.lti.academy import LtiAcademy
from lms_bridge.connectors.lti.platform import PlatformCentre
from lms_bridge.connectors.lti.tool import ToolCentre
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.lti_ports import LtiSide, LtiSystem
from lms_bridge.domain.ports import Connector, Option, SystemAccess

ROLE = Option(
    "role",
    "text",
    str(LtiSide.TOOL),
    "What the centre's LMS is to the bridge: tool (learners are launched into it from the Academy) "
    "or platform (it launches its own people into the Academy's courses).",
)


def _open_centre(access: SystemAccess) -> ToolCentre | PlatformCentre:
    lti = _checked(access, (ROLE,))
    role = access.options.get(ROLE.name, ROLE.default)
    return PlatformCentre(lti) if role == LtiSide.PLATFORM else ToolCentre(lti)


def _open_academy(access: SystemAccess) -> LtiAcademy:
    return LtiAcademy(_checked(access, ()))


def _checked(access: SystemAccess, options: tuple[Option, ...]) -> LtiSystem:
    problems = list(_problems(access, options))
    if access.lti is None:
        problems.append("connector: needs the bridge's LTI connections, which are not there")
    if problems or access.lti is None:
        raise SettingsInvalid(problems)
    return access.lti


def _problems(access: SystemAccess, options: tuple[Option, ...]) -> Iterator[str]:
    known = {option.name for option in options}
    for name, value in access.options.items():
        if name not in known:
            yield f"options.{name}: is unknown"
        elif value not in tuple(LtiSide):
            yield f"options.{name}: is neither tool nor platform"


centre = Connector(
    name="lti",
    title="An LMS that speaks only LTI 1.3",
    sides=frozenset({"centre"}),
    open=_open_centre,
    options=(ROLE,),
    needs_address=False,
    needs_lti=True,
    needs_secret=False,
    reads_locally=True,
)
academy = Connector(
    name="academy_lti",
    title="An Academy platform that speaks only LTI 1.3",
    sides=frozenset({"academy"}),
    open=_open_academy,
    needs_address=False,
    needs_lti=True,
    needs_secret=False,
)
