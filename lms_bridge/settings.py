"""Settings: defaults from config/, then a file of one's own, then the environment.

All problems are reported at once, each with the name of its setting.
"""

from __future__ import annotations

import os
import re
import tomllib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from lms_bridge.cron import check as check_cron
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Limits
from lms_bridge.domain.rules import Rules
from lms_bridge.schemas.parts import read_part

PREFIX = "LMS_BRIDGE_"
_HERE = Path(__file__).resolve().parent


class EngineKind(StrEnum):
    THREADS = "threads"
    PROCRASTINATE = "procrastinate"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Store:
    address: str = ""


@dataclass(frozen=True, slots=True)
class Secrets:
    key: str = field(default="", repr=False)
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Academy:
    connector: str = ""
    address: str = ""
    token: str = field(default="", repr=False)
    events_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Sync:
    centres_at_once: int = 8
    lease_seconds: float = 90.0
    quiet_run_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Network:
    private_addresses: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    enabled: bool = True
    catalogue: str = "0 2 * * *"
    jitter_seconds: int = 900
    enrolments_minutes: int = 5
    results_minutes: int = 60
    stop_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Engine:
    kind: EngineKind = EngineKind.THREADS


@dataclass(frozen=True, slots=True)
class Web:
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 8
    one_cpu: bool = True
    open_operations: bool = False
    trusted_proxies: str = "127.0.0.0/8 ::1"


@dataclass(frozen=True, slots=True)
class Lti:
    """``address`` is the bridge's own public address: its issuer, and the root of its services."""

    address: str = ""
    leeway_seconds: float = 30.0
    id_token_seconds: int = 300
    access_token_seconds: int = 3600
    login_seconds: int = 600
    open_before_hours: float = 0.0
    open_after_days: float = 30.0
    launch_link_hours: float = 24.0
    invitation_hours: float = 168.0
    key_days: float = 90.0
    key_keep_seconds: float = 172800.0
    page_size: int = 100


@dataclass(frozen=True, slots=True)
class Api:
    requests_per_minute: int = 600
    open_requests_per_minute: int = 600
    wait_seconds: float = 10.0
    answer_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Webhooks:
    at_once: int = 32
    answer_seconds: float = 10.0
    disable_days: float = 5.0
    keep_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Log:
    level: LogLevel = LogLevel.INFO
    json: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; one attribute for each section of config/default.toml."""

    store: Store = field(default_factory=Store)
    secrets: Secrets = field(default_factory=Secrets)
    academy: Academy = field(default_factory=Academy)
    academy_options: Mapping[str, object] = field(default_factory=dict)
    sync: Sync = field(default_factory=Sync)
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    network: Network = field(default_factory=Network)
    clock: Clock = field(default_factory=Clock)
    engine: Engine = field(default_factory=Engine)
    web: Web = field(default_factory=Web)
    lti: Lti = field(default_factory=Lti)
    api: Api = field(default_factory=Api)
    webhooks: Webhooks = field(default_factory=Webhooks)
    rules: Rules = field(default_factory=Rules)
    log: Log = field(default_factory=Log)


SECTIONS: dict[str, type] = {
    "store": Store,
    "secrets": Secrets,
    "academy": Academy,
    "sync": Sync,
    "policy": Policy,
    "limits": Limits,
    "network": Network,
    "clock": Clock,
    "engine": Engine,
    "web": Web,
    "lti": Lti,
    "api": Api,
    "webhooks": Webhooks,
    "rules": Rules,
    "log": Log,
}


def config_folder() -> Path:
    """Where config/ is: beside the package in a checkout, inside it once installed."""
    beside = _HERE.parent / "config"
    return beside if (beside / "default.toml").is_file() else _HERE / "_config"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads all settings.

    Raises:
        SettingsInvalid: with every problem.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    given = _toml(config_folder() / "default.toml", problems)
    own = environment.get(f"{PREFIX}CONFIG")
    if own:
        _merge(given, _toml(Path(own), problems))
    _merge(given, _from_environment(environment))
    settings = _build(given, problems)
    problems.extend(_contradictions(settings))
    if problems:
        raise SettingsInvalid(problems)
    return settings


def _toml(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        problems.append(f"{path} cannot be read")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path} is not TOML: {error}")
    return {}


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """LMS_BRIDGE_ACADEMY__OPTIONS__CATEGORY=3 is ``category`` of ``[academy.options]``."""
    given: dict[str, Any] = {}
    for name, value in environment.items():
        match = re.fullmatch(rf"{PREFIX}(\w+?)__(\w+)", name)
        if not match or not value:
            continue
        path = [match[1].lower(), *match[2].lower().split("__")]
        nested: dict[str, Any] = {path.pop(): value}
        for key in reversed(path):
            nested = {key: nested}
        _merge(given, nested)
    return given


def _build(given: dict[str, Any], problems: list[str]) -> Settings:
    academy = given.get("academy")
    options = academy.pop("options", {}) if isinstance(academy, dict) else {}
    if not isinstance(options, Mapping):
        problems.append("academy.options is not a section")
        options = {}
    parts: dict[str, Any] = {}
    for name, value in given.items():
        if name not in SECTIONS:
            problems.append(f"[{name}] is not a section of the settings")
        elif not isinstance(value, Mapping):
            problems.append(f"{name} is not a section")
        else:
            parts[name], found = read_part(SECTIONS[name], value, name)
            problems.extend(found)
    return Settings(**parts, academy_options=options)


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if not settings.store.address.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:")):
        problems.append("store.address does not begin with sqlite: or postgresql:")
    if settings.engine.kind is EngineKind.PROCRASTINATE and settings.store.address.startswith(
        "sqlite:"
    ):
        problems.append("engine.kind procrastinate needs a store.address on PostgreSQL")
    if settings.lti.address and not settings.lti.address.startswith(("https://", "http://")):
        problems.append("lti.address does not begin with https:// (or http://, for trials)")
    if settings.academy.events_secret and not _is_signing_secret(settings.academy.events_secret):
        problems.append("academy.events_secret is not whsec_ and base64 of 24 bytes at least")
    if settings.lti.key_keep_seconds < settings.lti.access_token_seconds:
        problems.append("lti.key_keep_seconds is less than lti.access_token_seconds")
    if not all(map(_is_network, settings.web.trusted_proxies.split())):
        problems.append("web.trusted_proxies has something that is no address and no network")
    try:
        check_cron(settings.clock.catalogue)
    except ValueError as error:
        problems.append(f"clock.catalogue is not a cron expression: {error}")
    return problems


def _is_signing_secret(secret: str) -> bool:
    """Standard Webhooks specification 1.0, "Signature scheme"."""
    try:
        return len(b64decode(secret.removeprefix("whsec_"), validate=True)) >= 24
    except ValueError:
        return False


def names() -> list[str]:
    """Every setting's name, as ``section.name``."""
    return [f"{section}.{f.name}" for section, part in SECTIONS.items() for f in fields(part)]
