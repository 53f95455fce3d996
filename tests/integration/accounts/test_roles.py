"""Every page, for every role, with things of its own centre and of another's.

The pages come from the route map, so a new page is tried without a new test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from lms_bridge.accounts.service import grant_role, revoke_role
from lms_bridge.domain.access import DataScope, Scope, allows, reaches
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.roles import ROLE_SCOPES, Grant, Role
from lms_bridge.store import runs
from lms_bridge.store.centres import find
from lms_bridge.store.database import Database
from lms_bridge.store.tables import centre, hold, quarantine
from lms_bridge.web.access import is_public, need_of
from tests.integration.accounts.browser import BY, REGIONS, account, send, signed_in
from tests.integration.accounts.conftest import MakeApp
from tests.integration.web.filling import fill

OWN, FOREIGN = "AFR", "ARB"
GRANTS = {
    Role.OPERATOR: DataScope(),
    Role.ADMINISTRATOR: DataScope(),
    Role.FOCAL_POINT: DataScope(region="africa"),
    Role.REVIEWER: DataScope(region="africa"),
    Role.COORDINATOR: DataScope(centre=OWN),
    Role.INSTRUCTOR: DataScope(centre=OWN),
}


@pytest.fixture
def lenient(make_app: MakeApp, database: Database, database_address: str) -> Flask:
    """Without second factors; with runs, holds and quarantine of two centres."""
    fill(database)
    with database.writing() as tx:
        for code in (OWN, FOREIGN, ""):
            number = runs.start_run(tx, code, "offerings", "clock", utc_now())
            runs.finish_run(tx, number, "done", {}, utc_now())
    return make_app(database_address, SIGN_IN__SECOND_FACTOR="false")


def closed_rules(app: Flask) -> Iterator[Rule]:
    return (rule for rule in app.url_map.iter_rules() if not is_public(rule.endpoint))


def paths(app: Flask, rule: Rule, values: Mapping[str, object]) -> str:
    adapter = app.url_map.bind("localhost")
    given = {name: values.get(name, 999_999) for name in rule.arguments}
    return adapter.build(rule.endpoint, given, method=next(iter(rule.methods or ())))


def values_of(database: Database, code: str) -> dict[str, object]:
    """What stands for the variable parts of addresses: things of one centre."""
    with database.reading() as tx:
        number = runs.last_runs(tx, centre=code, most=1)[0].id
    return {"code": code, "run_id": number, "prefix": "nothing", "offering": f"{code}-1"}


REACHES = (Role.OPERATOR, Role.FOCAL_POINT, Role.COORDINATOR)
"""One role for each reach: all, a region, a centre. The statements differ by the reach alone."""


@pytest.mark.parametrize(
    ("database_address", "role"),
    [*(("sqlite", role) for role in Role), *(("postgresql", role) for role in REACHES)],
    indirect=["database_address"],
)
def test_a_role_opens_its_own_pages_and_no_others(
    lenient: Flask, database: Database, role: Role
) -> None:
    person = account(database, role=role, reach=GRANTS[role])
    browser = signed_in(lenient, database, person)
    tried = 0
    for rule in closed_rules(lenient):
        need = need_of(lenient, rule.endpoint)
        path = paths(lenient, rule, values_of(database, OWN))
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            if rule.endpoint == "own_account.end_others":
                continue
            answer = browser.get(path) if method == "GET" else send(browser, path)
            refused = need is not None and need not in ROLE_SCOPES[role]
            assert (answer.status_code == 403) == refused, (method, path, answer.status_code)
            assert answer.status_code < 500, (method, path)
            tried += 1
    assert tried > 25


@pytest.mark.parametrize("role", [Role.FOCAL_POINT, Role.COORDINATOR])
def test_another_centres_things_look_as_if_they_did_not_exist(
    lenient: Flask, database: Database, role: Role
) -> None:
    browser = signed_in(lenient, database, account(database, role=role, reach=GRANTS[role]))
    own, foreign = values_of(database, OWN), values_of(database, FOREIGN)
    nobodys = values_of(database, "")
    for rule in closed_rules(lenient):
        if not rule.arguments & {"code", "run_id", "offering"} or "GET" not in (rule.methods or ()):
            continue
        if rule.endpoint.startswith("my."):  # a learner's: the catalogue's offerings are for all
            continue
        need = need_of(lenient, rule.endpoint)
        if need is not None and need not in ROLE_SCOPES[role]:
            continue
        assert browser.get(paths(lenient, rule, own)).status_code == 200
        assert browser.get(paths(lenient, rule, foreign)).status_code == 404
        if "run_id" in rule.arguments:
            assert browser.get(paths(lenient, rule, nobodys)).status_code == 404
    with database.reading() as tx:
        others = {
            *tx.scalars(select(centre.c.name).where(centre.c.code != OWN)),
            *map(str, tx.scalars(select(hold.c.reason).where(hold.c.centre != OWN))),
            *map(
                str, tx.scalars(select(quarantine.c.external_id).where(quarantine.c.centre != OWN))
            ),
        } - {""}
    assert len(others) > 3
    shown = "".join(
        browser.get(path).text
        for path in (
            "/centres",
            "/runs",
            f"/runs?centre={FOREIGN}",
            "/holds",
            "/quarantine",
            "/people",
        )
    )
    for other in others:
        assert str(other) not in shown, other
    assert f'data-label="Centre">{FOREIGN}<' not in shown


def test_a_form_about_another_centre_finds_nothing(lenient: Flask, database: Database) -> None:
    role, foreign = Role.COORDINATOR, values_of(database, FOREIGN)
    browser = signed_in(lenient, database, account(database, role=role, reach=GRANTS[role]))
    mixed = {**foreign, "code": OWN}  # the own centre, with a course of another's
    tried = 0
    for rule in closed_rules(lenient):
        is_form = "POST" in (rule.methods or ()) and rule.arguments & {"code", "offering"}
        need = need_of(lenient, rule.endpoint)
        if not is_form or need not in ROLE_SCOPES[role]:
            continue
        for values in (foreign, mixed) if "offering" in rule.arguments else (foreign,):
            assert send(browser, paths(lenient, rule, values)).status_code == 404, rule
            tried += 1
    assert tried > 8


def test_a_role_that_is_taken_away_closes_its_pages_at_once(
    lenient: Flask, database: Database
) -> None:
    amina = account(database, reach=DataScope(centre=OWN))
    browser = signed_in(lenient, database, amina)
    assert browser.get("/runs").status_code == 200
    revoke_role(database, amina.number, Grant(Role.COORDINATOR, DataScope(centre=OWN)), by=BY)
    assert browser.get("/runs").status_code == 403
    assert browser.get("/account").status_code == 200
    grant = Grant(Role.FOCAL_POINT, DataScope(region="arab_states"))
    grant_role(database, amina.number, grant, REGIONS, by=BY)
    assert browser.get(f"/centres/{FOREIGN}").status_code == 200
    assert browser.get(f"/centres/{OWN}").status_code == 404


def test_two_roles_reach_both_their_centres_with_the_scopes_of_each(database: Database) -> None:
    fill(database)
    with database.reading() as tx:
        own, foreign = find(tx, OWN), find(tx, FOREIGN)
    assert own is not None
    assert foreign is not None
    both = [
        Grant(Role.COORDINATOR, DataScope(centre=OWN)).permission,
        Grant(Role.INSTRUCTOR, DataScope(centre=FOREIGN)).permission,
    ]
    assert allows(both, Scope.WRITE_OFFERINGS, own)
    assert not allows(both, Scope.WRITE_OFFERINGS, foreign)
    assert allows(both, Scope.WRITE_RESULTS, foreign)
    assert not allows(both, Scope.ADMINISTER)
    assert reaches(both, Scope.WRITE_OFFERINGS) == [DataScope(centre=OWN)]


def test_a_page_that_names_no_scope_stays_closed(lenient: Flask) -> None:
    lenient.view_functions["admin.forgotten"] = lambda: "secret"
    with pytest.raises(RuntimeError, match=r"admin\.forgotten"):
        need_of(lenient, "admin.forgotten")


def test_an_operator_manages_accounts_on_their_page(lenient: Flask, database: Database) -> None:
    operator = signed_in(
        lenient, database, account(database, "olga@example.org", Role.OPERATOR, name="Olga")
    )
    form = {"email": "New@example.org", "name": "Sample New", "role": "coordinator", "centre": OWN}
    assert send(operator, "/accounts", form).status_code == 303
    more = {"email": "new@example.org", "role": "reviewer", "region": "africa"}
    assert send(operator, "/accounts", more).status_code == 303
    page = operator.get("/accounts").text
    assert "new@example.org" in page
    assert "coordinator (centre AFR)" in page
    assert "reviewer (Africa)" in page
    for wrong, words in (
        ({**form, "role": "king"}, "Choose a role"),
        ({**form, "centre": ""}, "for one centre"),
        ({**form, "email": "nothing"}, "not an e-mail address"),
        ({**more, "region": "atlantis"}, "no such region"),
    ):
        answer = send(operator, "/accounts", wrong)
        assert answer.status_code == 400
        assert words in answer.text
    number = page.partition("new@example.org")[0].rpartition('data-label="Account">')[2]
    number = number.partition("<")[0]
    page = send(operator, f"/accounts/{number}/link").text
    link = page.partition('id="link" dir="ltr">')[2].partition("<")[0]
    browser = lenient.test_client()
    assert send(browser, link.partition("8000")[2]).status_code == 303
    assert browser.get(f"/centres/{OWN}").status_code == 200
    gone = {"role": "coordinator", "centre": OWN}
    assert send(operator, f"/accounts/{number}/roles/end", gone).status_code == 303
    assert browser.get("/runs").status_code == 403
    assert send(operator, f"/accounts/{number}/disable").status_code == 303
    assert browser.get("/account").status_code == 401
    assert send(operator, f"/accounts/{number}/enable").status_code == 303


def browser_of(app: Flask, database: Database, role: Role) -> FlaskClient:
    return signed_in(app, database, account(database, role=role, reach=GRANTS[role]))


def test_the_menu_shows_what_the_role_opens(lenient: Flask, database: Database) -> None:
    page = browser_of(lenient, database, Role.COORDINATOR).get("/account").text
    assert 'href="/runs"' in page
    assert 'href="/tokens"' not in page
    assert 'href="/runs"' not in lenient.test_client().get("/").text
