"""A platform that nobody here wrote: `lti-consumer-xblock`, in an environment of its own."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.lti.tool.grade_service import (
    PlatformLineItem,
    ScoreDelivery,
    SentScore,
    create,
    find_or_create,
    post_score,
    results,
)
from lms_bridge.lti.tool.launch import Grading
from lms_bridge.lti.tool.names_and_roles import memberships
from lms_bridge.lti.tool.service_client import ServiceClient, ServiceClients
from lms_bridge.store.offerings import offerings_by_code
from tests.integration.lti_tool.conftest import Site, add_registration
from tests.integration.web.filling import fill
from tests.interoperability import Works
from tests.peers.browser import Browser, Page
from tests.peers.python_platforms import xblock

XBLOCK = "block-v1:Centre+C1+2026+type@lti_consumer+block@x1"


def test_an_xblock_launches_picks_lists_members_and_takes_scores(
    site: Site, tmp_path: Path, browser: Browser, works: Works
) -> None:
    """One test, for the peer takes longer to start than all of it."""
    fill(site.bridge.database)
    with xblock(site.address, tmp_path) as peer:
        registration = add_registration(site.bridge, _registration(peer))
        _launch(peer, browser)
        code = _deep_linking(peer, site, browser)
        arrived = _opened(browser, f"{peer['issuer']}/start?what=content")
        # The link leads to its offering, where nobody of these people is registered.
        assert (arrived.status, arrived.code) == (403, "person-unknown")
        assert _title(site, code) in html.unescape(arrived.text)
        connections = ServiceClients(site.tool.lti)
        connector = connections.to(registration)
        _memberships(peer, connector)
        _scores(peer, connector, browser)
        connections.close()
    works("xblock", "launch", "deep linking", "memberships", "line items", "scores", "results")


def _title(site: Site, code: str) -> str:
    with site.bridge.database.reading() as tx:
        return offerings_by_code(tx, [code])[code][1].title


def _registration(peer: dict[str, str]) -> LtiRegistration:
    return LtiRegistration(
        side=Side.PLATFORM,
        name="xblock",
        centre="AFR",
        issuer=peer["issuer"],
        client_id=peer["client_id"],
        deployment_ids=("1",),
        authorization_endpoint=peer["authorization_endpoint"],
        token_endpoint=peer["token_endpoint"],
        jwks_uri=peer["jwks_uri"],
        status=Status.ACTIVE,
        private_addresses=True,
    )


def _opened(browser: Browser, address: str) -> Page:
    answer = browser.get(address)
    assert [form.action for form in answer.forms], answer.text
    return browser.submit(answer)


def _launch(peer: dict[str, str], browser: Browser) -> None:
    arrived = _opened(browser, f"{peer['issuer']}/start?what=launch")
    assert arrived.status == 200, arrived.code
    assert "Learner 1" in arrived.text
    assert "A course" in arrived.text
    assert 'data-role="learner"' in arrived.text


def _deep_linking(peer: dict[str, str], site: Site, browser: Browser) -> str:
    choice = _opened(browser, f"{peer['issuer']}/start?what=deep")
    code = choice.text.split('name="offering" value="')[1].split('"')[0]
    sent = browser.submit(choice, action="send", offering=code)
    assert browser.submit(sent).status == 200
    (item,) = json.loads(browser.get(f"{peer['issuer']}/picked").text)
    assert item["custom"] == {"offering": code}
    assert item["url"] == f"{site.address}/lti/tool/launch"
    return code


def _memberships(peer: dict[str, str], connector: ServiceClient) -> None:
    found = list(memberships(connector, f"{peer['services']}/memberships", limit=2))
    assert [each.id for each in found] == [f"ext-{number}" for number in range(1, 6)]
    assert found[0].email == "learner1@example.org"
    assert found[0].roles[0].endswith("#Learner")


def _scores(peer: dict[str, str], connector: ServiceClient, browser: Browser) -> None:
    grading = Grading(line_items=f"{peer['services']}/lti-ags")
    desired = PlatformLineItem("Result", Decimal(100), "ITU-2", "result", resource_link_id=XBLOCK)
    item = find_or_create(connector, grading, desired)
    assert find_or_create(connector, grading, desired).address == item.address
    assert create(connector, grading, replace(desired, tag="other")).address != item.address
    now = datetime.now(UTC)
    score = SentScore("ext-1", Decimal("80.5"), Decimal(100), now)
    assert post_score(connector, item.address, score) is ScoreDelivery.TAKEN
    older = replace(score, score=Decimal(10), at=now - timedelta(hours=1))
    assert post_score(connector, item.address, older) is ScoreDelivery.OLDER
    zero = replace(score, score=Decimal(0), at=now + timedelta(seconds=2))
    assert post_score(connector, item.address, zero) is ScoreDelivery.TAKEN
    (result,) = results(connector, item.address)
    assert (result.person, result.score) == ("ext-1", Decimal(0))
    grades = json.loads(browser.get(f"{peer['issuer']}/grades").text)
    assert grades == [["ext-1", 0.805, 100], ["ext-1", 0.0, 100]]
