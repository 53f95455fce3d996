"""The pages of reviewers, in one blueprint. Importing the modules declares them."""

from __future__ import annotations

from lms_bridge.review import pages as _pages
from lms_bridge.review import region_pages as _region_pages

MODULES = (_pages, _region_pages)
pages = _pages.pages
