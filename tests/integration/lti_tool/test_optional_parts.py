"""Launches that are odd in parts that nobody needs: none is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.lti.registrations import LtiRegistration, Side
from lms_bridge.lti.tool.claims import launch_of
from lms_bridge.lti.tool.login_state import LoginState, digest
from tests.integration.lti_tool.bad import ODD
from tests.integration.lti_tool.conftest import Site, add_registration, registration_of, site_on
from tests.peers.browser import Browser
from tests.peers.platform import AGS, DL, LTI, NRPS, Change, Platform, running

TOOL = "https://bridge.example.org"
GRADING, ROSTER, LINKS = (
    f"{AGS}claim/endpoint",
    f"{NRPS}claim/namesroleservice",
    f"{DL}deep_linking_settings",
)
OPTIONAL = [
    *(("name",), ("given_name",), ("family_name",), ("email",), ("locale",), ("picture",)),
    *((f"{LTI}{name}",) for name in ("context", "custom", "lis", "launch_presentation")),
    *((f"{LTI}{name}",) for name in ("tool_platform", "role_scope_mentor", "unknown")),
    *((f"{LTI}context", name) for name in ("id", "type", "label", "title")),
    *((f"{LTI}resource_link", name) for name in ("title", "description")),
    *((f"{LTI}lis", name) for name in ("person_sourcedid", "course_section_sourcedid")),
    *((f"{LTI}launch_presentation", name) for name in ("return_url", "locale", "width")),
    *((f"{LTI}custom", name) for name in ("offering", "other")),
    *((GRADING,), (GRADING, "scope"), (GRADING, "lineitems"), (GRADING, "lineitem")),
    *((ROSTER,), (ROSTER, "context_memberships_url"), (ROSTER, "service_versions")),
]
"""Every claim, and every part of one, that a launch can do without."""
OF_LINKS = [(LINKS, name) for name in ("accept_multiple", "accept_lineitem", "data", "title")]
NUMBERS = st.integers(-(2**63), 2**64 - 1)  # larger ones are read as floats
ANY = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
PLATFORM = Platform(address="https://lms.example.org")
REGISTRATION = LtiRegistration(Side.PLATFORM, issuer="them", client_id="c", deployment_ids=("1",))
LOGIN = LoginState("n", 1, 0, "", "", digest(f"{TOOL}/lti/tool/launch"))


@given(st.sampled_from(OPTIONAL), ANY)
def test_any_value_of_an_optional_claim_is_accepted(path: tuple[str, ...], value: Any) -> None:
    claims = changed(PLATFORM.claims("n", TOOL), path, value)
    launch = launch_of(claims, REGISTRATION, LOGIN)
    assert (launch.person.id, launch.roles) == ("4", ("Learner",))


@given(st.sampled_from([*OPTIONAL, *OF_LINKS]), ANY)
def test_any_value_of_an_optional_claim_of_deep_linking_is_accepted(
    path: tuple[str, ...], value: Any
) -> None:
    claims = changed(PLATFORM.deep_claims("n", TOOL), path, value)
    selection = launch_of(claims, REGISTRATION, LOGIN).selection
    assert selection is not None
    assert selection.targets == ("iframe", "window")
    if path == (LINKS, "data"):
        assert selection.data == value


def test_what_a_platform_accepts_is_read_from_phps_lists_with_gaps() -> None:
    claims = PLATFORM.deep_claims("n", TOOL)
    settings = claims[LINKS]
    settings["accept_types"] = {"1": "ltiResourceLink"}
    settings["accept_presentation_document_targets"] = {"0": "iframe", "2": "window"}
    selection = launch_of(claims, REGISTRATION, LOGIN).selection
    assert selection is not None
    assert selection.targets == ("iframe", "window")


def changed(claims: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    claims = copy.deepcopy(claims)
    inner = claims
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = value
    return claims


@pytest.mark.parametrize(
    ("presented", "own", "expected"),
    [
        ("fr", "es", "fr"),
        (None, "es-MX", "es-MX"),
        (["fr"], "es", "es"),
        ("x" * 100, "es", "es"),
        (None, ["es"], ""),
    ],
)
def test_the_locale_of_the_page_counts_before_that_of_the_person(
    presented: object, own: object, expected: str
) -> None:
    claims = changed(PLATFORM.claims("n", TOOL), (f"{LTI}launch_presentation", "locale"), presented)
    launch = launch_of({**claims, "locale": own}, REGISTRATION, LOGIN)
    assert launch.locale == expected


@pytest.fixture(scope="module")
def shared_site(shared_sqlite_address: str) -> Iterator[Site]:
    with site_on(shared_sqlite_address) as made:
        yield made


@pytest.fixture(scope="module")
def shared_platform(shared_site: Site) -> Iterator[Platform]:
    with running(Platform()) as made:
        add_registration(shared_site.bridge, registration_of(made))
        yield made


@pytest.mark.parametrize("change", [each for _, each in ODD], ids=[name for name, _ in ODD])
def test_an_odd_launch_arrives(
    change: Change, shared_site: Site, shared_platform: Platform, browser: Browser
) -> None:
    site, registered = shared_site, shared_platform
    begun = site.login(browser, registered.login(site.address))
    page = site.launch(browser, registered.answer(begun.goes_to, site.address, change))
    assert page.status == 200
    assert 'data-role="learner"' in page.text


def test_a_teacher_who_is_a_student_of_the_institution_sees_the_page_for_teachers(
    shared_site: Site, shared_platform: Platform, browser: Browser
) -> None:
    site, registered = shared_site, shared_platform
    lis = "http://purl.imsglobal.org/vocab/lis/v2"
    roles = [f"{lis}/institution/person#Student", f"{lis}/membership/Instructor#TeachingAssistant"]
    begun = site.login(browser, registered.login(site.address))
    form = registered.answer(
        begun.goes_to, site.address, lambda claims: claims.update({f"{LTI}roles": roles})
    )
    page = site.launch(browser, form)
    assert page.status == 200
    assert 'data-role="teacher"' in page.text


def test_the_persons_locale_sets_the_language_of_the_page(
    shared_site: Site, shared_platform: Platform, browser: Browser
) -> None:
    site, registered = shared_site, shared_platform

    def in_french(claims: dict[str, Any]) -> None:
        claims.update({f"{LTI}launch_presentation": [], "locale": "fr-CA"})

    begun = site.login(browser, registered.login(site.address))
    page = site.launch(browser, registered.answer(begun.goes_to, site.address, in_french))
    assert 'lang="fr"' in page.text


def test_long_hints_of_a_platform_come_back_whole(
    shared_site: Site, shared_platform: Platform, browser: Browser
) -> None:
    site, registered = shared_site, shared_platform
    hints = {"login_hint": "h" * 8192, "lti_message_hint": "m" * 8192}
    begun = site.login(browser, registered.login(site.address, **hints))
    assert begun.status == 302
    assert all(value in begun.goes_to for value in hints.values())
