"""Rosters as a look before something is created, rather than as a feed."""

from __future__ import annotations

from collections.abc import Sequence

from lms_bridge.domain.errors import BridgeError, NotUnderstood
from lms_bridge.domain.ports import ShowsEnrolments, Unread


def read_rosters(
    peer: object, offerings: Sequence[str]
) -> tuple[dict[str, str], dict[str, BridgeError]]:
    """({``<offering>/<account>``: state} of everybody in these courses, {offering: why its roster
    could not be read}). In the latter nobody may be taken for absent.

    Empty for a system that cannot show rosters: there nothing can be there before.

    Raises:
        StopRun, RetryLater: no roster can be read now.
    """
    shown: dict[str, str] = {}
    unread: dict[str, BridgeError] = {}
    if not offerings or not isinstance(peer, ShowsEnrolments):
        return shown, unread
    for answer in peer.show_enrolments(offerings):
        if isinstance(answer, Unread):
            unread[answer.scope] = answer.error
            continue
        try:
            raws = list(answer.parse())
        except NotUnderstood as error:
            unread[answer.scope] = error
            continue
        shown.update((raw.external_id, str(raw.fields.get("state", ""))) for raw in raws)
    return shown, unread
