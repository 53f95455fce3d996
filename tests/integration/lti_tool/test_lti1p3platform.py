"""A platform that nobody here wrote: the library `lti1p3platform`, in an environment of its own."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from lms_bridge.lti import vocabulary
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.lti.tool.grade_service import (
    PlatformLineItem,
    ScoreDelivery,
    SentScore,
    find_or_create,
    post_score,
    results,
    update,
)
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.names_and_roles import memberships
from lms_bridge.lti.tool.service_client import ServiceClient, ServiceClients
from lms_bridge.store.offerings import offerings_by_code
from tests.integration.lti_tool.conftest import Site, add_registration
from tests.integration.web.filling import fill
from tests.interoperability import Works
from tests.peers.browser import Browser, Page
from tests.peers.python_platforms import lti1p3platform


def test_lti1p3platform_launches_picks_lists_members_and_takes_scores(
    site: Site, browser: Browser, works: Works
) -> None:
    """One test, for the peer takes longer to start than all of it."""
    fill(site.bridge.database)
    with lti1p3platform(site.address) as peer:
        issuer = peer["issuer"]
        registration = add_registration(site.bridge, _registration(peer))
        arrived = _opened(browser, f"{issuer}/start?what=launch")
        assert arrived.status == 200, arrived.code
        assert "Learner 1" in arrived.text
        assert 'data-role="learner"' in arrived.text
        code = _deep_linking(issuer, site, browser)
        arrived = _opened(browser, f"{issuer}/start?what=content")
        # The link leads to its offering, where nobody of these people is registered.
        assert (arrived.status, arrived.code) == (403, "person-unknown")
        with site.bridge.database.reading() as tx:
            title = offerings_by_code(tx, [code])[code][1].title
        assert title in html.unescape(arrived.text)
        connections = ServiceClients(site.tool.lti)
        connector = connections.to(registration)
        found = list(memberships(connector, f"{issuer}/members", limit=2))
        assert [each.id for each in found] == [f"ext-{number}" for number in range(1, 6)]
        _scores(issuer, connector, browser)
        connections.close()
    services = ("launch", "deep linking", "memberships", "line items", "scores", "results")
    works("lti1p3platform", *services)


def _registration(peer: dict[str, str]) -> LtiRegistration:
    issuer = peer["issuer"]
    return LtiRegistration(
        side=Side.PLATFORM,
        name="lti1p3platform",
        issuer=issuer,
        client_id=peer["client_id"],
        deployment_ids=(peer["deployment"],),
        authorization_endpoint=f"{issuer}/auth",
        token_endpoint=f"{issuer}/token",
        jwks_uri=f"{issuer}/keys",
        status=Status.ACTIVE,
        private_addresses=True,
    )


def _opened(browser: Browser, address: str) -> Page:
    answer = browser.get(address)
    assert [form.action for form in answer.forms], answer.text
    return browser.submit(answer)


def _deep_linking(issuer: str, site: Site, browser: Browser) -> str:
    choice = _opened(browser, f"{issuer}/start?what=deep")
    code = choice.text.split('name="offering" value="')[1].split('"')[0]
    sent = browser.submit(choice, action="send", offering=code)
    assert browser.submit(sent).text == "Picked"
    (item,) = json.loads(browser.get(f"{issuer}/picked").text)
    assert item["custom"] == {"offering": code}
    assert item["url"] == f"{site.address}/lti/tool/launch"
    return code


def _scores(issuer: str, connector: ServiceClient, browser: Browser) -> None:
    # As its launches say: it has no scope of its own for reading.
    scopes = frozenset({vocabulary.LINE_ITEM, vocabulary.RESULT_READ, vocabulary.SCORE})
    grading = Grading(line_items=f"{issuer}/items", scopes=scopes)
    item = find_or_create(connector, grading, PlatformLineItem("Result", tag="result"))
    again = find_or_create(connector, grading, PlatformLineItem("Result", tag="result"))
    assert again.address == item.address
    assert update(connector, replace(item, label="Course")).label == "Course"
    now = datetime.now(UTC)
    score = SentScore("ext-1", Decimal("80.5"), Decimal(100), now)
    assert post_score(connector, item.address, score) is ScoreDelivery.TAKEN
    older = replace(score, score=Decimal(10), at=now - timedelta(hours=1))
    assert post_score(connector, item.address, older) is ScoreDelivery.OLDER
    zero = replace(score, score=Decimal(0), at=now + timedelta(seconds=2))
    assert post_score(connector, item.address, zero) is ScoreDelivery.TAKEN
    (result,) = results(connector, item.address)
    assert (result.person, result.score) == ("ext-1", Decimal(0))
    assert json.loads(browser.get(f"{issuer}/grades").text) == [["ext-1", 80.5], ["ext-1", 0]]
