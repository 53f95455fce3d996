"""The whole error tree, classed by what the caller must do.

::

    BridgeError
    ├── RetryLater      try the same again later; nothing is wrong with the data
    │   ├── Unreachable     no connection, a reset, a time-out, a 5xx
    │   ├── Overloaded      the other side asks to wait (429, 503, Retry-After, maintenance)
    │   ├── CircuitOpen     too many failures in a row: not even tried
    │   └── OutOfTime       the run's whole time is over: nothing more is tried
    ├── RecordRefused   skip this one record, quarantine it, carry on with the rest
    ├── StopRun         stop this centre's run: a person has to act
    │   ├── AccessDenied    token, function or capability is missing
    │   ├── NotUnderstood   the response has another form (login page, XML, broken JSON)
    │   └── IncompleteRead  the snapshot is not whole, so nothing may be concluded from it
    ├── LeaseLost       another process runs this centre: stop at once, change nothing more
    └── Refused         report it to the person: wrong usage, wrong settings, unknown thing
        ├── SettingsInvalid     all problems at once
        ├── NotFound
        ├── NotNow              the thing's state does not allow it; ``allowed`` lists what it does
        ├── RulesBroken         the record breaks rules; ``findings`` lists every one
        └── AddressRefused      the address guard says no

Every error has a stable ``code`` (for look-ups and tests), a ``message`` that names the thing, and
optionally a ``remedy``. Neither ever holds a token, a person's name or an e-mail address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self


class BridgeError(Exception):
    """Root of all errors that the bridge raises on purpose."""

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def about(self, subject: str) -> Self:
        """The same error, with a message that begins with what it is about."""
        error = type(self).__new__(type(self))
        error.__dict__.update(self.__dict__)
        error.message = f"{subject}: {self.message}"
        error.args = (error.message,)
        return error


class RetryLater(BridgeError):
    """Nothing is wrong with the data: the same request may succeed later.

    ``after`` is the wait that the other side requested, in seconds. ``applied`` is
    True where the request may have been carried out although no answer arrived: look before
    sending again.
    """

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str = "",
        *,
        after: float | None = None,
        applied: bool = False,
    ) -> None:
        super().__init__(code, message, remedy)
        self.after = after
        self.applied = applied


class Unreachable(RetryLater):
    """No connection, a reset, a time-out or a server error."""


class Overloaded(RetryLater):
    """The other side asks to be left alone for a while."""


class CircuitOpen(RetryLater):
    """So many requests failed in a row that this one was not sent."""


class OutOfTime(RetryLater):
    """The run has taken its whole time."""

    def __init__(self) -> None:
        super().__init__(
            "run-too-long",
            "The run took its whole time. Its work is kept, and the next run goes on.",
            "See which system is slow. The setting sync.run_minutes allows more time.",
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a record. ``message`` goes on from the field's name ("is not
    a date ..."), ``code`` is stable, ``allowed`` are the values that would do, where there is a
    list of them."""

    field: str
    code: str
    message: str
    allowed: tuple[str, ...] = ()


class RecordRefused(BridgeError):
    """One record cannot be used; ``field`` names the part at fault where it is known, and
    ``problems`` are all of them, if a schema found them."""

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str = "",
        *,
        field: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(code, message, remedy)
        self.field = field
        self.problems = tuple(problems)


class StopRun(BridgeError):
    """This centre's run cannot go on until a person acts."""


class AccessDenied(StopRun):
    """A token, a function or a capability is missing."""


class NotUnderstood(StopRun):
    """The response is not what the request was for."""


class IncompleteRead(StopRun):
    """The snapshot is not whole: nothing may be concluded from it."""


class LeaseLost(BridgeError):
    """Another process has taken over this run."""


class Refused(BridgeError):
    """The request itself is wrong. The message explains it to the person."""


class NotFound(Refused):
    """There is no such centre, run, hold or person."""


class NotNow(Refused):
    """The state that a thing is in does not allow this. ``allowed`` are the names of what may be
    done with it now."""

    def __init__(
        self, code: str, message: str, remedy: str = "", *, allowed: Sequence[str] = ()
    ) -> None:
        self.allowed = tuple(map(str, allowed))
        super().__init__(code, message, remedy or _possible(self.allowed))


def _possible(allowed: Sequence[str]) -> str:
    action = ", ".join(allowed)
    return f"Possible now: {action}." if action else ""


class RulesBroken(Refused):
    """A record breaks rules of the programme; ``findings`` are those that must be mended."""

    def __init__(self, findings: Sequence[RuleBreach]) -> None:
        self.findings = tuple(findings)
        said = " ".join(finding.message for finding in self.findings)
        super().__init__("rules-broken", said, "Mend it and try again.")


class RuleBreach(Protocol):
    """What a rule says of a record: ``field`` may be empty, ``code`` is stable."""

    @property
    def code(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def field(self) -> str: ...


class AddressRefused(Refused):
    """The address guard does not allow a connection to this address."""


class SettingsInvalid(Refused):
    """One or more settings are wrong; ``problems`` lists every one, with the setting's name."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__("settings-invalid", f"Problems in the settings: {len(problems)}\n{listed}")
