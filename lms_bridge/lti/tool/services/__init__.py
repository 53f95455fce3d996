"""Services of a platform, as functions with types of ours: line items, scores, memberships.

Addresses are used as given, with their queries. Every function raises what
``lms_bridge.http.Http.request`` raises.
"""

from lms_bridge.lti.tool.services.line_items import (
    LineItem,
    create,
    find_or_create,
    line_items,
    update,
)
from lms_bridge.lti.tool.services.memberships import Member, memberships
from lms_bridge.lti.tool.services.scores import Delivery, Result, Score, post_score, results

__all__ = [
    "Delivery",
    "LineItem",
    "Member",
    "Result",
    "Score",
    "create",
    "find_or_create",
    "line_items",
    "memberships",
    "post_score",
    "results",
    "update",
]
