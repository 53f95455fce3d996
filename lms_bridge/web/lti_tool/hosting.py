"""The tool that the views stand on, and what a launch is handed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from flask import Blueprint, Flask, current_app
from flask.typing import ResponseReturnValue

from lms_bridge.bootstrap import Bridge
from lms_bridge.lti.tool.launch import Launch
from lms_bridge.lti.tool.tool import Tool

_NAME = "lti_tool"


class OnLaunch(Protocol):
    """What becomes of a launch of a resource link that was checked in full."""

    def __call__(self, launch: Launch, tool: Tool) -> ResponseReturnValue: ...


@dataclass
class Hosted:
    tool: Tool
    on_launch: OnLaunch


def new_blueprint() -> Blueprint:
    return Blueprint(
        _NAME,
        "lms_bridge.web.lti_tool",
        template_folder="templates",
        static_folder="static",
        static_url_path="/lti/tool/static",
    )


def host(app: Flask, bridge: Bridge, on_launch: OnLaunch) -> None:
    app.extensions[_NAME] = Hosted(Tool(bridge.room), on_launch)


def hosted() -> Hosted:
    found = current_app.extensions[_NAME]
    if not isinstance(found, Hosted):
        raise RuntimeError("the application has no tool side")
    return found


def the_tool() -> Tool:
    return hosted().tool
