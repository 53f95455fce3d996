"""`/webhooks`: who is told of what changed, and what came of it. Tried, sent again and switched on
on the bridge's own machine alone; added by a command or through the interface."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.domain.errors import NotNow
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.store import deliveries
from lms_bridge.store import webhooks as store
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.sync.work import utc_now
from lms_bridge.web.access import Closed, from_this_machine
from lms_bridge.web.bridging import the_bridge
from lms_bridge.web.connections.answering import check_own_form, refused
from lms_bridge.web.connections.operating import by_operator
from lms_bridge.web.paging import SIZE, asked_number
from lms_bridge.webhooks import keeping

pages = Blueprint("webhooks", __name__)
pages.register_error_handler(LtiRefused, refused)
_NUMBER = "<int(max=2147483647):number>"


@pages.before_request
def _check_form() -> None:
    """Nobody is signed in here: other machines may be shown this page at most."""
    if request.method == "POST":
        check_own_form(origin_required=True)
        if not from_this_machine(request):
            raise Closed


@pages.get("/webhooks")
def show() -> str:
    return _page()


@pages.post(f"/webhooks/{_NUMBER}/ping")
def ping(number: int) -> ResponseReturnValue:
    try:
        keeping.ping_webhook(the_bridge().database, number, utc_now())
    except NotNow as error:
        return _page(str(error)), 409
    return _back(number)


@pages.post(f"/webhooks/{_NUMBER}/enable")
def enable(number: int) -> ResponseReturnValue:
    keeping.enable_webhook(the_bridge().database, number, by=by_operator())
    return _back(number)


@pages.post(f"/webhooks/deliveries/{_NUMBER}/resend")
def resend(number: int) -> ResponseReturnValue:
    try:
        keeping.resend_delivery(the_bridge().database, number, by=by_operator())
    except NotNow as error:
        return _page(str(error)), 409
    return _back(asked_number("webhook"))


def _back(number: int) -> ResponseReturnValue:
    return redirect(url_for("webhooks.show", webhook=number or None), 303)


def _page(problem: str = "") -> str:
    chosen, before = asked_number("webhook"), asked_number("before")
    of_one = [webhook_delivery.c.webhook_id == chosen] if chosen else []
    with the_bridge().database.reading() as tx:
        found = store.all_webhooks(tx)
        rows = deliveries.log(tx, before, SIZE + 1, *of_one)
        attempts = deliveries.attempts_of(tx, [row.id for row in rows[:SIZE]])
    return render_template(
        "webhooks.html",
        webhooks=found,
        hosts={each.id: urlsplit(each.address).hostname or "" for each in found},
        rows=rows[:SIZE],
        attempts=attempts,
        older=rows[SIZE - 1].id if len(rows) > SIZE else None,
        state_of=deliveries.state_of,
        chosen=chosen,
        problem=problem,
        may_act=from_this_machine(request),
    )
