"""`/lti/tool/select`: offerings of the Academy are picked into a platform's course.

What the request said is in the form itself, locked with the settings' key: nothing is kept, so that
going back, searching anew and leaving cost nothing.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass

import orjson
from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.tool.deep_linking import Answer, Chosen
from lms_bridge.lti.tool.launch import Launch, Selection
from lms_bridge.lti.tool.login import usable
from lms_bridge.lti.tool.tool import LAUNCH_PATH
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.lti_tool.answering import frames_of, page, sources
from lms_bridge.web.lti_tool.hosting import the_tool
from lms_bridge.web.queries.catalogue import Filters, count_listed, listed, one_listed

SECONDS = 2 * 3600
SHOWN = 50
MOST_CHOSEN = 50


@dataclass(frozen=True, slots=True)
class Request:
    """A deep linking request, as the form holds it."""

    issuer: str
    client_id: str
    deployment_id: str
    frames: str
    selection: Selection
    until: float


def add_to(pages: Blueprint) -> None:
    pages.add_url_rule("/lti/tool/select", "select", select, methods=["POST"])


def offer(launch: Launch, selection: Selection) -> Response:
    """The page to pick from, as the answer to a launch."""
    until = the_tool().room.now().timestamp() + SECONDS
    asked = Request(
        launch.issuer,
        launch.client_id,
        launch.deployment_id,
        frames_of(launch),
        selection,
        until,
    )
    return _shown(asked, "")


def select() -> ResponseReturnValue:
    """Searches again, or sends what was picked."""
    asked = _unlocked(request.form.get("request", ""))
    if request.form.get("action") != "send":
        return _shown(asked, request.form.get("text", "").replace("\x00", "").strip()[:100])
    return _sent(asked, request.form.getlist("offering"))


def _shown(asked: Request, text: str) -> Response:
    filters = Filters(text=text)
    with the_bridge().database.reading() as tx:
        found = listed(tx, filters, the_tool().room.now(), limit=SHOWN, offset=0)
        total = count_listed(tx, filters)
    return page(
        "select.html",
        frames=asked.frames,
        request_locked=_locked(asked),
        several=asked.selection.several,
        offerings=found,
        total=total,
        text=text,
        action=url_for("lti_tool.select"),
    )


def _sent(asked: Request, codes: list[str]) -> Response:
    tool, selection = the_tool(), asked.selection
    if len(codes) > MOST_CHOSEN:
        raise LtiRefused("links-too-many", f"At most {MOST_CHOSEN} offerings at once, please.")
    with tool.room.database.reading() as tx:
        found = [one_listed(tx, code) for code in dict.fromkeys(codes) if "\x00" not in code]
    chosen = [Chosen(each.code, str(each.fields["title"])) for each in found if each is not None]
    party = usable(tool.find(asked.issuer, asked.client_id))
    answer = Answer(party, asked.deployment_id, selection, tool.room.keyring.sign)
    return page(
        "send.html",
        frames=asked.frames,
        # The platform may send the browser on, and the policy counts that, too.
        targets=sources([selection.return_address]) + " https:",
        address=selection.return_address,
        jwt=answer.response(chosen, tool.address + LAUNCH_PATH),
        number=len(chosen),
    )


def _locked(asked: Request) -> str:
    locked = the_bridge().vault.lock(orjson.dumps(asdict(asked)).decode())
    return urlsafe_b64encode(locked).decode()


def _unlocked(text: str) -> Request:
    try:
        given = orjson.loads(the_bridge().vault.unlock(urlsafe_b64decode(text.encode())))
        given["selection"] = Selection(
            **{**given["selection"], "targets": tuple(given["selection"]["targets"])}
        )
        asked = Request(**given)
    except (SettingsInvalid, binascii.Error, ValueError, TypeError, KeyError):
        raise LtiRefused(
            "selection-unknown",
            "This page does not belong to any request for links.",
            "Go back to your course and begin again.",
        ) from None
    if asked.until < the_tool().room.now().timestamp():
        raise LtiRefused(
            "selection-expired",
            "This page has been open for too long.",
            "Go back to your course and begin again.",
        )
    return asked
