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
from typing import Annotated, Any
from urllib.parse import urlsplit

from lms_bridge.cron import check as check_cron
from lms_bridge.domain.bounds import Bounds
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Limits
from lms_bridge.domain.rules import Rules
from lms_bridge.schemas.parts import read_part

PREFIX = "LMS_BRIDGE_"
SHOWN_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not listened on)
"""What a browser on this machine is given where a server listens on every address."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
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
class StoreSettings:
    address: str = ""


@dataclass(frozen=True, slots=True)
class SecretsSettings:
    key: str = field(default="", repr=False)
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class AcademySettings:
    connector: str = ""
    address: str = ""
    token: str = field(default="", repr=False)
    events_secret: str = field(default="", repr=False)
    registration_page: str = ""

    @property
    def is_outside(self) -> bool:
        """Whether the Academy has a platform of its own, which keeps learners and registrations."""
        return self.connector not in ("", "embedded")


@dataclass(frozen=True, slots=True)
class SyncSettings:
    centres_at_once: Annotated[int, Bounds(1, 64)] = 8
    run_minutes: Annotated[float, Bounds(1, 10_080)] = 240.0
    slow_minutes: Annotated[float, Bounds(0.1, 1440)] = 10.0
    lease_seconds: Annotated[float, Bounds(5, 3600)] = 90.0
    quiet_run_days: Annotated[float, Bounds(0, 3650)] = 30.0


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    private_addresses: bool = False


@dataclass(frozen=True, slots=True)
class ClockSettings:
    enabled: bool = True
    catalogue: str = "0 2 * * *"
    jitter_seconds: Annotated[int, Bounds(0, 21_600)] = 900
    offerings_minutes: Annotated[int, Bounds(0, 525_600)] = 5
    enrolments_minutes: Annotated[int, Bounds(1, 525_600)] = 5
    results_minutes: Annotated[int, Bounds(1, 525_600)] = 60
    stop_seconds: Annotated[float, Bounds(0, 600)] = 20.0


@dataclass(frozen=True, slots=True)
class EngineSettings:
    kind: EngineKind = EngineKind.THREADS


@dataclass(frozen=True, slots=True)
class WebSettings:
    host: str = "127.0.0.1"
    port: Annotated[int, Bounds(0, 65_535)] = 8000
    threads: Annotated[int, Bounds(1, 256)] = 8
    head_seconds: Annotated[float, Bounds(1, 120)] = 10.0
    body_seconds: Annotated[float, Bounds(1, 120)] = 15.0
    idle_seconds: Annotated[float, Bounds(1, 600)] = 60.0
    least_rate: Annotated[int, Bounds(64, 1_048_576)] = 4096
    connections: Annotated[int, Bounds(16, 65_536)] = 4096
    requests_per_minute: Annotated[int, Bounds(0, 1_000_000)] = 6000
    feeds_per_minute: Annotated[int, Bounds(0, 1_000_000)] = 600
    trusted_proxies: str = ""
    proxy_protocol_from: str = ""


@dataclass(frozen=True, slots=True)
class SignInSettings:
    link_minutes: Annotated[float, Bounds(1, 1440)] = 15.0
    idle_minutes: Annotated[float, Bounds(5, 43_200)] = 120.0
    session_hours: Annotated[float, Bounds(0.25, 720)] = 12.0
    second_factor: bool = True
    own_accounts: bool = False
    learners_by_email: bool = False


class MailSecurity(StrEnum):
    """How a connection to the mail server is encrypted (RFC 8314)."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Without a host, the bridge sends no mail."""

    host: str = ""
    port: Annotated[int, Bounds(1, 65_535)] = 587
    security: MailSecurity = MailSecurity.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    seconds: Annotated[float, Bounds(1, 120)] = 20.0


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The OpenID provider that people may sign in with; without an issuer, there is none."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    name: str = ""
    learner_claim: str = ""


@dataclass(frozen=True, slots=True)
class LtiSettings:
    """``address`` is the bridge's own public address: its issuer, and the root of its services."""

    address: str = ""
    leeway_seconds: Annotated[float, Bounds(0, 300)] = 30.0
    id_token_seconds: Annotated[int, Bounds(30, 3600)] = 300
    access_token_seconds: Annotated[int, Bounds(60, 86_400)] = 3600
    login_seconds: Annotated[int, Bounds(30, 3600)] = 600
    open_before_hours: Annotated[float, Bounds(0, 8760)] = 0.0
    open_after_days: Annotated[float, Bounds(0, 3650)] = 30.0
    launch_link_hours: Annotated[float, Bounds(0.25, 720)] = 24.0
    invitation_hours: Annotated[float, Bounds(1, 2160)] = 168.0
    key_days: Annotated[float, Bounds(1, 730)] = 90.0
    key_keep_seconds: Annotated[float, Bounds(60, 31_536_000)] = 172800.0
    page_size: Annotated[int, Bounds(1, 1000)] = 100
    refusal_days: Annotated[int, Bounds(1, 365)] = 14
    refusals_per_code: Annotated[int, Bounds(1, 500)] = 20


@dataclass(frozen=True, slots=True)
class ApiSettings:
    requests_per_minute: Annotated[int, Bounds(1, 1_000_000)] = 600
    open_requests_per_minute: Annotated[int, Bounds(0, 1_000_000)] = 600
    wait_seconds: Annotated[float, Bounds(0, 60)] = 10.0
    push_seconds: Annotated[float, Bounds(10, 3_600)] = 300.0
    answer_hours: Annotated[float, Bounds(1, 720)] = 24.0


@dataclass(frozen=True, slots=True)
class WebhooksSettings:
    at_once: Annotated[int, Bounds(1, 256)] = 32
    answer_seconds: Annotated[float, Bounds(1, 60)] = 10.0
    disable_days: Annotated[float, Bounds(0, 365)] = 5.0
    keep_days: Annotated[float, Bounds(1, 3650)] = 30.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: LogLevel = LogLevel.INFO
    json: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; one attribute for each section of config/default.toml."""

    store: StoreSettings = field(default_factory=StoreSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    academy: AcademySettings = field(default_factory=AcademySettings)
    academy_options: Mapping[str, object] = field(default_factory=dict)
    sync: SyncSettings = field(default_factory=SyncSettings)
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    web: WebSettings = field(default_factory=WebSettings)
    sign_in: SignInSettings = field(default_factory=SignInSettings)
    provider: ProviderSettings = field(default_factory=ProviderSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    lti: LtiSettings = field(default_factory=LtiSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    webhooks: WebhooksSettings = field(default_factory=WebhooksSettings)
    rules: Rules = field(default_factory=Rules)
    log: LogSettings = field(default_factory=LogSettings)

    @property
    def public_address(self) -> str:
        """The bridge's address as other systems know it, without a slash at its end."""
        if self.lti.address:
            return self.lti.address.rstrip("/")
        host = SHOWN_HOSTS.get(self.web.host, self.web.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.web.port}"


SECTIONS: dict[str, type] = {
    "store": StoreSettings,
    "secrets": SecretsSettings,
    "academy": AcademySettings,
    "sync": SyncSettings,
    "policy": Policy,
    "limits": Limits,
    "network": NetworkSettings,
    "clock": ClockSettings,
    "engine": EngineSettings,
    "web": WebSettings,
    "sign_in": SignInSettings,
    "provider": ProviderSettings,
    "mail": MailSettings,
    "lti": LtiSettings,
    "api": ApiSettings,
    "webhooks": WebhooksSettings,
    "rules": Rules,
    "log": LogSettings,
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
    page = settings.academy.registration_page
    if page and not page.startswith(("https://", "http://")):
        problems.append("academy.registration_page does not begin with https://")
    problems.extend(_sign_in_contradictions(settings))
    problems += [
        f"web.{name} has something that is no address and no network"
        for name in ("trusted_proxies", "proxy_protocol_from")
        if not all(map(_is_network, getattr(settings.web, name).split()))
    ]
    try:
        check_cron(settings.clock.catalogue)
    except ValueError as error:
        problems.append(f"clock.catalogue is not a cron expression: {error}")
    return problems


def _sign_in_contradictions(settings: Settings) -> list[str]:
    problems = []
    mail, provider = settings.mail, settings.provider
    if mail.host and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", mail.sender):
        problems.append("mail.sender is not an e-mail address, and mail.host needs one")
    if mail.user and mail.security is MailSecurity.NONE and mail.host not in _LOOPBACK:
        problems.append("mail.user needs mail.security starttls or tls: the password would be read")
    if provider.issuer and not provider.client_id:
        problems.append("provider.client_id is missing, and provider.issuer needs it")
    issuer = urlsplit(provider.issuer)
    if provider.issuer and not (issuer.scheme == "https" or issuer.hostname in _LOOPBACK):
        problems.append("provider.issuer does not begin with https://")
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
