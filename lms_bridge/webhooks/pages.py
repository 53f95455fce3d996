"""`/webhooks`: the receivers of changes, and the log of deliveries. They are tested, sent again and
switched on here; they are added by a command or through the API."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotNow
from lms_bridge.store.api_tables import webhook_delivery
from lms_bridge.web.access import current_actor, needs, the_bridge
from lms_bridge.web.paging import SIZE, number_param
from lms_bridge.webhooks import service, storage

pages = Blueprint("webhooks", __name__)
_NUMBER = "<int(max=2147483647):number>"


@pages.get("/webhooks")
@needs(Scope.ADMINISTER)
def show() -> str:
    return _page()


@pages.post(f"/webhooks/{_NUMBER}/ping")
@needs(Scope.ADMINISTER)
def ping(number: int) -> ResponseReturnValue:
    try:
        service.ping_webhook(the_bridge().database, number, utc_now())
    except NotNow as error:
        return _page(str(error)), 409
    return _back(number)


@pages.post(f"/webhooks/{_NUMBER}/enable")
@needs(Scope.ADMINISTER)
def enable(number: int) -> ResponseReturnValue:
    service.enable_webhook(the_bridge().database, number, by=current_actor())
    return _back(number)


@pages.post(f"/webhooks/deliveries/{_NUMBER}/resend")
@needs(Scope.ADMINISTER)
def resend(number: int) -> ResponseReturnValue:
    try:
        service.resend_delivery(the_bridge().database, number, by=current_actor())
    except NotNow as error:
        return _page(str(error)), 409
    return _back(number_param("webhook"))


def _back(number: int) -> ResponseReturnValue:
    return redirect(url_for("webhooks.show", webhook=number or None), 303)


def _page(problem: str = "") -> str:
    chosen, before = number_param("webhook"), number_param("before")
    of_one = [webhook_delivery.c.webhook_id == chosen] if chosen else []
    with the_bridge().database.reading() as tx:
        found = storage.all_webhooks(tx)
        rows = storage.delivery_log(tx, before, SIZE + 1, *of_one)
        attempts = storage.attempts_of(tx, [row.id for row in rows[:SIZE]])
    return render_template(
        "webhooks.html",
        webhooks=found,
        hosts={each.id: urlsplit(each.address).hostname or "" for each in found},
        rows=rows[:SIZE],
        attempts=attempts,
        older=rows[SIZE - 1].id if len(rows) > SIZE else None,
        state_of=storage.state_of,
        chosen=chosen,
        problem=problem,
    )
