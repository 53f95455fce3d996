"""Settings: defaults, a file of one's own, the environment; all problems at once, by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lms_bridge import settings
from lms_bridge.domain.bounds import Bounds
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.policy import OnConflict, Policy
from lms_bridge.domain.ports import Limits, Removal
from lms_bridge.registry import installed
from lms_bridge.schemas.parts import fields_of, read_part
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


def test_all_problems_are_reported_at_once_by_name(own: Any) -> None:
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
        "policy.hold_percent is -1; it must be 0 to 100",
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
        ("WEB__TRUSTED_PROXIES", "127.0.0.1 10.0.0.0/99", "no address and no network"),
        ("SYNC__LEASE_SECONDS", "soon", "sync.lease_seconds is not a number"),
        ("SYNC__LEASE_SECONDS", "nan", "sync.lease_seconds is not a number"),
        ("SYNC__LEASE_SECONDS", "inf", "sync.lease_seconds is not a number"),
        ("SYNC__CENTRES_AT_ONCE", "0", "sync.centres_at_once is 0; it must be 1 to 64"),
        ("LIMITS__ATTEMPTS", "-1", "limits.attempts is -1; it must be 1 to 20"),
        ("LTI__KEY_DAYS", "0", "lti.key_days is 0; it must be 1 to 730"),
        ("LTI__KEY_DAYS", "1e9", "lti.key_days is 1000000000; it must be 1 to 730"),
        ("LTI__INVITATION_HOURS", "0", "lti.invitation_hours is 0; it must be 1 to 2160"),
        ("LTI__LAUNCH_LINK_HOURS", "0.2", "lti.launch_link_hours is 0.2; it must be 0.25 to 720"),
        ("CLOCK__ENABLED", "maybe", "clock.enabled is not true or false"),
        ("ENGINE__KIND", "celery", "engine.kind is not one of: threads, procrastinate"),
        ("ENGINE__KIND", "procrastinate", "engine.kind procrastinate needs"),
        ("LOG__LEVEL", "loud", "log.level is not one of"),
        ("NOWHERE__X", "1", "[nowhere] is not a section"),
        ("STORE__NOTHING", "1", "store.nothing is not a setting"),
        ("ACADEMY__OPTIONS", "x", "academy.options is not a section"),
        (
            "POLICY__HOLD_FLOOR",
            "1.5",
            'policy.hold_floor is "1.5", which is not a whole number such as 20',
        ),
    ],
)
def test_each_problem_has_its_name(name: str, value: str, said: str) -> None:
    assert any(said in problem for problem in problems({f"LMS_BRIDGE_{name}": value}))


def numbers() -> dict[str, Bounds | None]:
    """Every setting that is a number, with its bounds."""
    return {
        f"{section}.{name}": bounds
        for section, part in settings.SECTIONS.items()
        for name, (kind, bounds) in fields_of(part).items()
        if kind in (int, float)
    }


def bounds_of_numbers() -> dict[str, Bounds]:
    return {name: bounds for name, bounds in numbers().items() if bounds is not None}


def test_every_number_has_bounds_with_its_default_inside() -> None:
    made = load({})
    assert bounds_of_numbers() == numbers()
    for name, bounds in bounds_of_numbers().items():
        section, _, key = name.partition(".")
        assert getattr(getattr(made, section), key) in bounds, name


@pytest.mark.parametrize("end", ["least", "most"])
def test_every_number_outside_its_bounds_is_refused_with_its_range(end: str) -> None:
    outside = {
        name: int(bounds.least - 1 if end == "least" else bounds.most + 1)
        for name, bounds in bounds_of_numbers().items()
    }
    found = problems(
        {
            f"LMS_BRIDGE_{name.replace('.', '__').upper()}": str(value)
            for name, value in outside.items()
        }
    )
    assert len(outside) > 30
    for name, value in outside.items():
        assert f"{name} is {value}; it must be {bounds_of_numbers()[name]}" in found


@pytest.mark.parametrize("end", ["least", "most"])
def test_every_number_may_be_at_its_bounds(end: str) -> None:
    made = load(
        {
            f"LMS_BRIDGE_{name.replace('.', '__').upper()}": str(getattr(bounds, end))
            for name, bounds in bounds_of_numbers().items()
            if name != "lti.access_token_seconds"  # bound by lti.key_keep_seconds, too
        }
        | {"LMS_BRIDGE_LTI__ACCESS_TOKEN_SECONDS": "60"}
    )
    assert made.web.port == getattr(bounds_of_numbers()["web.port"], end)


def test_every_number_among_the_options_of_connectors_has_bounds() -> None:
    declared = [option for each in installed().values() for option in each.options]
    numbers = [option for option in declared if option.kind == "number"]
    assert numbers
    for option in numbers:
        assert option.bounds is not None, option.name
        # zero stands for what has to be given
        assert isinstance(option.default, int), option.name
        assert option.default == 0 or option.default in option.bounds, option.name


def test_a_section_that_is_no_table_is_refused(own: Any) -> None:
    assert "policy is not a section" in problems(own("policy = 5"))


@pytest.mark.parametrize("text", ["[policy", "= 5", "[policy]\nremoval = keep"])
def test_a_file_that_is_not_toml_is_refused(own: Any, text: str) -> None:
    assert any("is not TOML" in problem for problem in problems(own(text)))


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
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
