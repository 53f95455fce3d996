"""Settings: defaults, a file of one's own, the environment; all problems at once, by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lms_bridge import settings
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.policy import OnConflict, Policy
from lms_bridge.domain.ports import Limits, Removal
from lms_bridge.schemas.parts import read_part
from lms_bridge.settings import EngineKind, LogLevel, load


def problems(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsInvalid) as raised:
        load(environment)
    for problem in raised.value.problems:
        assert problem in str(raised.value)
    return raised.value.problems


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """Writes a file of one's own and gives the environment that names it."""

    def write(text: str) -> dict[str, str]:
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return {"LMS_BRIDGE_CONFIG": str(path)}

    return write


def test_the_defaults_are_those_of_the_code() -> None:
    made = load({})
    assert made.policy == Policy()
    assert made.limits == Limits()
    assert made.engine.kind is EngineKind.THREADS
    assert made.store.address.startswith("sqlite:")


def test_the_file_of_defaults_names_every_setting() -> None:
    path = settings.config_folder() / "default.toml"
    given = tomllib.loads(path.read_text(encoding="utf-8"))
    given["academy"].pop("options")
    named = {f"{section}.{name}" for section, values in given.items() for name in values}
    assert named == set(settings.names())


def test_a_file_of_ones_own_and_then_the_environment_win(own: Any) -> None:
    environment = own(
        """
        [store]
        address = "postgresql://localhost/bridge"
        [policy]
        removal = "unenrol"
        hold_percent = 2.5
        [academy.options]
        category = 3
        """
    )
    environment |= {
        "LMS_BRIDGE_POLICY__HOLD_PERCENT": "5",
        "LMS_BRIDGE_POLICY__TRUST_EMAIL": "true",
        "LMS_BRIDGE_POLICY__CONFLICT": "hold",
        "LMS_BRIDGE_LOG__LEVEL": "debug",
        "LMS_BRIDGE_ACADEMY__OPTIONS__SHOP": "main",
        "LMS_BRIDGE_WEB__PORT": "",  # empty means: not set
        "LMS_BRIDGE_TEST_POSTGRES": "not a setting",
        "OTHER_POLICY__REMOVAL": "keep",
    }
    made = load(environment)
    assert made.policy == Policy(
        removal=Removal.UNENROL, hold_percent=5.0, trust_email=True, conflict=OnConflict.HOLD
    )
    assert made.store.address == "postgresql://localhost/bridge"
    assert made.log.level is LogLevel.DEBUG
    assert made.academy_options == {"category": 3, "shop": "main"}
    assert made.web.port == 8000


def test_all_problems_are_told_at_once_by_name(own: Any) -> None:
    found = problems(
        own(
            """
            [polcy]
            removal = "keep"
            [policy]
            removal = "delete"
            hold_records = "many"
            hold_percent = -1
            colour = "red"
            [sync]
            lease_seconds = 0
            centres_at_once = 1.5
            [clock]
            catalogue = "every night"
            [store]
            address = "mysql://x"
            [web]
            port = true
            """
        )
    )
    said = "\n".join(found)
    for name in (
        "[polcy] is not a section",
        "policy.removal is not one of: keep, suspend, suspend_drop_role, unenrol",
        "policy.hold_records is not a whole number",
        "policy.hold_percent is negative",
        "policy.colour is not a setting",
        "sync.centres_at_once is not a whole number",
        "clock.catalogue is not a cron expression",
        "store.address does not begin with",
        "web.port is not a whole number",
    ):
        assert name in said, name


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SYNC__LEASE_SECONDS", "0", "sync.lease_seconds is not above zero"),
        ("WEB__TRUSTED_PROXIES", "127.0.0.1 10.0.0.0/99", "no address and no network"),
        ("SYNC__LEASE_SECONDS", "soon", "sync.lease_seconds is not a number"),
        ("SYNC__LEASE_SECONDS", "nan", "sync.lease_seconds is not a number"),
        ("SYNC__LEASE_SECONDS", "inf", "sync.lease_seconds is not a number"),
        ("SYNC__CENTRES_AT_ONCE", "0", "sync.centres_at_once is not above zero"),
        ("LIMITS__ATTEMPTS", "-1", "limits.attempts is negative"),
        ("POLICY__RESULTS_DAYS", "999999", "policy.results_days is more than a hundred years"),
        ("LTI__KEY_DAYS", "1e9", "lti.key_days is more than a hundred years"),
        ("LIMITS__CALLS_AT_ONCE", "0", "limits.calls_at_once is not above zero"),
        ("CLOCK__ENABLED", "maybe", "clock.enabled is not true or false"),
        ("CLOCK__RESULTS_MINUTES", "0", "clock.results_minutes is not above zero"),
        ("ENGINE__KIND", "celery", "engine.kind is not one of: threads, procrastinate"),
        ("ENGINE__KIND", "procrastinate", "engine.kind procrastinate needs"),
        ("LOG__LEVEL", "loud", "log.level is not one of"),
        ("NOWHERE__X", "1", "[nowhere] is not a section"),
        ("STORE__NOTHING", "1", "store.nothing is not a setting"),
        ("ACADEMY__OPTIONS", "x", "academy.options is not a section"),
        ("POLICY__HOLD_FLOOR", "1.5", "policy.hold_floor is not a whole number"),
    ],
)
def test_each_problem_has_its_name(name: str, value: str, said: str) -> None:
    assert any(said in problem for problem in problems({f"LMS_BRIDGE_{name}": value}))


def test_a_section_is_a_section(own: Any) -> None:
    assert "policy is not a section" in problems(own("policy = 5"))


@pytest.mark.parametrize("text", ["[policy", "= 5", "[policy]\nremoval = keep"])
def test_a_file_that_is_not_toml(own: Any, text: str) -> None:
    assert any("is not TOML" in problem for problem in problems(own(text)))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.toml", tmp_path):
        assert any(
            "cannot be read" in problem for problem in problems({"LMS_BRIDGE_CONFIG": str(path)})
        )
    path = tmp_path / "latin.toml"
    path.write_bytes(b'[log]\nlevel = "d\xe9bug"')
    assert any("is not TOML" in problem for problem in problems({"LMS_BRIDGE_CONFIG": str(path)}))


def test_no_secret_is_in_a_repr() -> None:
    made = load(
        {"LMS_BRIDGE_ACADEMY__TOKEN": "s3cr3t-token", "LMS_BRIDGE_SECRETS__KEY": "s3cr3t-key"}
    )
    assert made.academy.token == "s3cr3t-token"
    assert "s3cr3t" not in repr(made)


def test_a_part_takes_its_values_over_a_base() -> None:
    base = Policy(hold_records=7, trust_email=True)
    made, found = read_part(Policy, {"hold_records": "9"}, "SAMPLE.policy", base)
    assert (made, found) == (Policy(hold_records=9, trust_email=True), [])
    made, found = read_part(Policy, {"hold_records": "9", "removal": 5}, "SAMPLE.policy", base)
    assert made == base
    assert [problem.partition(" ")[0] for problem in found] == ["SAMPLE.policy.removal"]
