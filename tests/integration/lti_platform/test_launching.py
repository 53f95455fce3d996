"""From a learner's click to the id_token that a tool gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
from sqlalchemy import select, update

from lms_bridge.accounts import service
from lms_bridge.audit import Subject
from lms_bridge.domain.clock import utc_now
from lms_bridge.lti import registrations
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints
from lms_bridge.lti.platform.launch import (
    LINK,
    LoginInitiation,
    learner_link,
    make_launch_link,
)
from lms_bridge.lti.registrations import LtiRegistration, Privacy, Side, Status
from lms_bridge.store.accounts import UserAccount
from lms_bridge.store.tables import enrolment, offering
from lms_bridge.web import sessions
from tests.integration.accounts.browser import BY, account
from tests.integration.audited import acts
from tests.integration.lti_platform.world import World, code_of, form_of
from tests.operators import COOKIE, own_field
from tests.peers.browser import Browser


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_launch_carries_the_claims_of_the_learner(either_world: World, method: str) -> None:
    world = either_world
    login = world.start()
    assert login.address == world.registration.initiate_login_uri
    assert login.fields["iss"] == world.address
    assert "acad-1" not in str(login.fields)
    request = world.auth_request(login)
    answer = world.authenticate(request, method)
    assert answer.status_code == 200
    form = form_of(answer.text)
    assert form["action"] == request["redirect_uri"]
    assert form["state"] == request["state"]
    claims = world.read(form["id_token"])
    assert claims["nonce"] == request["nonce"]
    assert claims["aud"] == world.tool.client_id
    assert claims["sub"] == "acad-1"
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert claims[lti.ROLES] == [lti.LEARNER]
    assert claims[lti.CONTEXT]["title"] == "Spectre & réglementation"
    assert claims[lti.DEPLOYMENT_ID] == "dep-1"
    assert claims[lti.LAUNCH_PRESENTATION]["locale"] == claims["locale"] == "fr"
    assert claims[lti.CUSTOM] == {"offering": "OFF-1", "mail": "l1@example.org", "fixed": "1"}
    assert claims[lti.LIS]["person_sourcedid"] == "acad-1"
    assert claims[lti.AGS_ENDPOINT]["lineitem"].startswith(claims[lti.AGS_ENDPOINT]["lineitems"])


def test_the_policy_of_the_form_page_forbids_anything_else(world: World) -> None:
    answer = world.authenticate(world.auth_request(world.start()))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'nonce-" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert "X-Frame-Options" not in answer.headers


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://учёба.example", "frame-ancestors 'self' https://xn--80ab7cq4c.example"),
        ("https://lms.example;script-src", "frame-ancestors 'self'"),
    ],
)
def test_a_platforms_name_cannot_break_the_policy_of_others_launches(
    world: World, issuer: str, expected: str
) -> None:
    platform = LtiRegistration(
        Side.PLATFORM, issuer=issuer, client_id="c", centre="ONE", status=Status.ACTIVE
    )
    with world.bridge.database.writing() as tx:
        registrations.add(tx, platform)
    answer = world.authenticate(world.auth_request(world.start()))
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].endswith(expected)


def test_a_login_is_used_once(world: World) -> None:
    login = world.start()
    assert world.authenticate(world.auth_request(login)).status_code == 200
    again = world.authenticate(world.auth_request(login))
    assert (again.status_code, code_of(again)) == (400, "auth-login-gone")


def test_two_logins_at_once_both_succeed(world: World) -> None:
    first, second = world.start(), world.start()
    assert world.authenticate(world.auth_request(second)).status_code == 200
    assert world.authenticate(world.auth_request(first)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_long_state_comes_back_whole(world: World, method: str) -> None:
    request = world.auth_request(world.start(), state="s" * 8192)
    answer = world.authenticate(request, method)
    assert answer.status_code == 200
    assert form_of(answer.text)["state"] == request["state"]


def test_a_refused_request_does_not_use_up_the_login(world: World) -> None:
    login = world.start()
    assert world.authenticate(world.auth_request(login, prompt="login")).status_code == 400
    assert world.authenticate(world.auth_request(login), browser="other").status_code == 403
    assert world.authenticate(world.auth_request(login)).status_code == 200


def test_personal_data_is_sent_only_as_the_tool_may_know_it(world: World) -> None:
    world.change_registration(privacy=Privacy(name=False, email=False, pseudonyms=True))
    claims = world.launch()
    assert claims["sub"] != "acad-1"
    assert not {"name", "given_name", "family_name", "email"} & claims.keys()
    assert "person_sourcedid" not in claims[lti.LIS]
    assert claims[lti.CUSTOM]["mail"] == "$Person.email.primary"
    assert "acad-1" not in str(claims)
    assert "Ln1" not in str(claims)
    assert world.launch()["sub"] == claims["sub"]
    assert world.launch("acad-2")["sub"] != claims["sub"]


def test_personal_data_outside_the_choices_is_not_sent(world: World) -> None:
    """The country of a learner is none of the four choices, and no part of a name."""
    everything = Privacy(name=True, email=True, sourced_id=True)
    world.change_registration(privacy=everything, custom={"country": "$Person.address.country"})
    claims = world.launch()
    assert claims[lti.CUSTOM] == {"country": "$Person.address.country"}
    assert "SN" not in claims.values()


def test_a_launch_is_refused_when_the_place_was_lost_meanwhile(world: World) -> None:
    login = world.start()
    world.change_registration(status=Status.DISABLED)
    assert code_of(world.authenticate(world.auth_request(login))) == "auth-client-inactive"


def test_keys_rotate_without_a_pause(world: World) -> None:
    old = form_of(world.authenticate(world.auth_request(world.start())).text)["id_token"]
    world.lti.keyring.rotate()  # another process than the server's
    assert world.read(old)["sub"] == "acad-1"
    assert len(requests.get(world.address + endpoints.KEYS, timeout=120).json()["keys"]) == 2
    assert world.launch()["sub"] == "acad-1"


def test_a_launch_link_is_used_up_by_posting_it(world: World) -> None:
    world.lti.nonces.put(
        LINK, "the-link", {"learner": "acad-1", "offering": "OFF-1", "registration": 0}, 60
    )
    address = f"{world.address}{endpoints.LAUNCH}/the-link"
    browser = Browser()
    assert browser.get(address).status == 200
    assert browser.get(address).status == 200  # a look does not use it up
    moved = browser.post(address, {}, follow=False)
    assert moved.status == 303
    (cookie,) = browser.set_cookies
    for part in ("HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/lti/"):
        assert part in cookie
    fields = {name: texts[0] for name, texts in parse_qs(urlsplit(moved.goes_to).query).items()}
    login = replace(world.start(), fields=fields)
    request = world.auth_request(login)
    authentication = f"{world.address}{endpoints.AUTHENTICATION}"
    assert browser.post(authentication, request).status == 200
    assert browser.post(address, {}).status == 404
    elsewhere = requests.get(address, timeout=120)
    assert (elsewhere.status_code, code_of(elsewhere)) == (404, "launch-link-gone")
    browser.close()


def test_a_launch_link_that_cannot_be_followed_yet_is_not_used_up(world: World) -> None:
    start: dict[str, str | int] = {"learner": "acad-1", "offering": "OFF-1", "registration": 0}
    address = make_launch_link(world.lti, start)

    def begin(at: datetime) -> None:
        with world.bridge.database.writing() as tx:
            tx.execute(update(offering).where(offering.c.code == "OFF-1").values(starts_at=at))

    begin(datetime.now(UTC) + timedelta(days=3))
    too_early = requests.post(address, timeout=120, allow_redirects=False)
    assert (too_early.status_code, code_of(too_early)) == (403, "not-begun")
    begin(datetime.now(UTC) - timedelta(days=3))
    assert requests.post(address, timeout=120, allow_redirects=False).status_code == 303
    assert requests.post(address, timeout=120, allow_redirects=False).status_code == 404


def account_of_learner(world: World) -> UserAccount:
    """A new account that is the learner "acad-1"."""
    whose = account(world.bridge.database, role=None)
    with world.bridge.database.writing() as tx:
        service.link_learner(tx, whose, world.ids["acad-1"], BY)
    return whose


def test_a_launch_link_ends_when_the_account_of_its_learner_is_disabled(
    either_world: World,
) -> None:
    world, database = either_world, either_world.bridge.database
    whose, other = account_of_learner(world), learner_link(world.lti, "acad-2", "OFF-1")
    kept, clicked = (learner_link(world.lti, "acad-1", "OFF-1") for _ in range(2))
    browser, back = requests.Session(), {"timeout": 120, "allow_redirects": False}
    begun = browser.post(clicked, **back)  # type: ignore[arg-type]  # options of requests
    login = LoginInitiation("", dict(parse_qsl(urlsplit(begun.headers["Location"]).query)))
    secret = begun.headers["Set-Cookie"].partition(";")[0].partition("=")[2]

    service.disable_account(database, whose.number, by=BY)
    assert "end launch links" in [act.action for act in acts(database, Subject.ACCOUNT)]
    ended = (403, "launch-link-ended")
    for answer in (
        requests.get(kept, timeout=120),
        requests.post(kept, timeout=120),
        world.authenticate(world.auth_request(login), browser=secret),
    ):
        assert (answer.status_code, code_of(answer)) == ended
        assert "The account of this learner was disabled" in answer.text
    with pytest.raises(LtiRefused, match="was disabled"):
        learner_link(world.lti, "acad-1", "OFF-1")
    assert requests.get(other, timeout=120).status_code == 200
    assert world.launch()["sub"] == "acad-1"  # the Academy vouches for whom it launches itself

    service.enable_account(database, whose.number, by=BY)
    assert requests.get(kept, timeout=120).status_code == 403
    assert requests.get(learner_link(world.lti, "acad-1", "OFF-1"), timeout=120).status_code == 200


@pytest.mark.parametrize("ended_by", ["sign-out", "disabling", "parting"])
@pytest.mark.parametrize("by_account", [False, True])
def test_a_launch_from_the_learners_page_ends_with_their_session(
    world: World, ended_by: str, by_account: bool
) -> None:
    database, now = world.bridge.database, utc_now()
    limits, number = world.bridge.settings.sign_in, world.ids["acad-1"]
    whose = account_of_learner(world)
    with database.writing() as tx:
        who = {"account": whose.number} if by_account else {"account": None, "learner": number}
        session, secret = sessions.open_session(
            tx, "learner", **who, limits=limits, now=now, half=False
        )
        place = tx.scalar(select(enrolment.c.id).where(enrolment.c.learner_id == number))
    browser = requests.Session()
    browser.cookies.update({COOKIE: secret})

    def finished(meanwhile: Callable[[], object]) -> requests.Response:
        """The launch, whose session may be ended before the tool asks for an id_token."""
        answer = browser.post(
            f"{world.address}/my/courses/{place}/launch",
            data=own_field(browser),
            headers={"Origin": world.address},
            allow_redirects=False,
            timeout=120,
        )
        login = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
        cookie = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
        meanwhile()
        return world.authenticate(world.auth_request(LoginInitiation("", login)), browser=cookie)

    assert finished(lambda: None).status_code == 200

    def end() -> None:
        if ended_by == "sign-out":
            sessions.sign_out(database, session, now)
        elif ended_by == "disabling":
            service.disable_account(database, whose.number, by=BY)
            service.enable_account(database, whose.number, by=BY)
        else:
            with database.writing() as tx:
                mine = service.find_account(tx, whose.number)
                service.part_learner(tx, mine, BY)

    answer = finished(end)
    if ended_by == "parting" and not by_account:  # another system's word, not the account's
        assert answer.status_code == 200
        return
    assert (answer.status_code, code_of(answer)) == (400, "auth-login-gone")
