"""`lms-bridge demo`: seven sample centres, a first nightly sync, and the pages."""

from lms_bridge.devtools.demo.command import demo

__all__ = ["demo"]
