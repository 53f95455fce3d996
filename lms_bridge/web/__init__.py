"""The pages: what the bridge shows to people, and to what watches over it."""

from lms_bridge.web.app import create_app

__all__ = ["create_app"]
