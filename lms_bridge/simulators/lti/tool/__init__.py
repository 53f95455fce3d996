"""A sample tool: it stands for the LMS of a centre that speaks LTI, and is launched into."""

from __future__ import annotations

from flask import Flask

from lms_bridge.simulators.lti.showing import new_application
from lms_bridge.simulators.lti.tool import classroom, linking, logins
from lms_bridge.simulators.lti.tool.state import ToolState

__all__ = ["SampleTool"]
PARTS = (logins, classroom, linking)


class SampleTool(ToolState):
    """The site and what it holds, open to read."""

    def application(self) -> Flask:
        app = new_application(self.name, "stands for a centre's LMS")
        for part in PARTS:
            part.add_to(app, self)
        return app
