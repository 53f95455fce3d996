"""A sample platform: it stands for the Academy's, and launches its learners into one tool."""

from __future__ import annotations

from flask import Flask

from lms_bridge.simulators.lti.platform import (
    courses,
    grades,
    granting,
    linking,
    logins,
    people,
    services,
)
from lms_bridge.simulators.lti.platform.state import PlatformState
from lms_bridge.simulators.lti.showing import new_application

__all__ = ["SamplePlatform"]
PARTS = (people, courses, grades, logins, granting, linking, services)


class SamplePlatform(PlatformState):
    """The site and what it holds, open to read and to change."""

    def application(self) -> Flask:
        app = new_application(self.name, "stands for the Academy's platform")
        for part in PARTS:
            part.add_to(app, self)
        return app
