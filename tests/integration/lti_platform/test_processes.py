"""Two processes over one database, and many requests at once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import requests

from lms_bridge.lti.platform import endpoints
from tests.integration.lti_platform.test_services import line_item, result_of
from tests.integration.lti_platform.waiting import until
from tests.integration.lti_platform.world import VAULT_KEY, World, code_of

_SCRIPT = """
import sys
from lms_bridge.lti.keys import Keyring
from lms_bridge.secrets import Vault
from lms_bridge.store.database import Database

database = Database(sys.argv[1])
ring = Keyring(database, Vault(sys.argv[2]))
old = ring.sign({"sub": "old"})
ring.rotate()
print(old)
print(ring.sign({"sub": "new"}))
"""


def test_a_key_rotated_by_another_process_is_used(either_world: World, tmp_path: Path) -> None:
    world = either_world
    token = world.token()
    script = tmp_path / "rotate.py"
    script.write_text(_SCRIPT, encoding="utf-8")
    address = world.bridge.database.engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, str(script), address, VAULT_KEY],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        timeout=120,
    )
    old, new = done.stdout.split()
    assert (world.read(old)["sub"], world.read(new)["sub"]) == ("old", "new")
    members = endpoints.memberships(world.address, world.ids["OFF-1"])
    assert world.call("GET", members, token).status_code == 200
    assert world.launch()["sub"] == "acad-1"


def test_one_of_many_simultaneous_assertions_is_accepted(either_world: World) -> None:
    world = either_world
    world.lti.keysets.fetch(world.lti.keys_of(world.registration))
    form = world.token_form(world.tool.sign(world.assertion()))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.ask_token(form), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


def test_one_of_many_simultaneous_logins_is_accepted(either_world: World) -> None:
    world = either_world
    login = world.start()
    requests_ = [world.auth_request(login) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(world.authenticate, requests_))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    refused = next(answer for answer in answers if answer.status_code == 400)
    assert code_of(refused) == "auth-login-gone"


def test_the_newest_of_simultaneous_scores_is_kept(either_world: World) -> None:
    world = either_world
    address, token = f"{line_item(world)}/scores", world.token()

    def send(number: int) -> requests.Response:
        at = f"2026-03-01T10:00:{number:02}Z"
        score = world.score(scoreGiven=number, timestamp=at)
        return world.call("POST", address, token, score)

    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(send, range(20))]
    assert set(statuses) <= {204, 409}
    until(lambda: result_of(world).score == 19)


def test_simultaneous_requests_get_the_same_pseudonyms(either_world: World) -> None:
    world = either_world
    world.change_registration(privacy=replace(world.registration.privacy, pseudonyms=True))
    address, token = endpoints.memberships(world.address, world.ids["OFF-1"]), world.token()

    def names(_: int) -> tuple[str, ...]:
        members = world.call("GET", address, token).json()["members"]
        return tuple(member["user_id"] for member in members)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(names, range(8)))) == 1
    subject = names(0)[0]
    item = line_item(world)
    score = world.score(userId=subject, scoreGiven=3)
    assert world.call("POST", f"{item}/scores", token, score).status_code == 204
    assert result_of(world).score == 3
    (shown,) = world.call("GET", f"{item}/results?user_id={subject}", token).json()
    assert shown["userId"] == subject
    real = world.call("POST", f"{item}/scores", token, world.score(userId="acad-1"))
    assert code_of(real) == "learner-unknown"
