"""Rosters as a look before something is created, rather than as a feed."""

from __future__ import annotations

from collections.abc import Sequence

from lms_bridge.domain.ports import ShowsEnrolments, Unread


def read_rosters(peer: object, offerings: Sequence[str]) -> dict[str, str]:
    """{``<offering>/<account>``: state} of everybody in these courses.

    Empty for a system that cannot show rosters: there nothing can be there before.

    Raises:
        StopRun, RetryLater: a roster could not be read; nobody may be taken for absent.
    """
    if not offerings or not isinstance(peer, ShowsEnrolments):
        return {}
    shown: dict[str, str] = {}
    for answer in peer.show_enrolments(offerings):
        if isinstance(answer, Unread):
            raise answer.error
        shown.update((raw.external_id, str(raw.fields.get("state", ""))) for raw in answer.parse())
    return shown
