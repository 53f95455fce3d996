"""The one HTTP client: time-outs, retries, a circuit breaker, caps, and errors by class.

Every failure is an error of ``lms_bridge.domain.errors``. Its message names the system and the
path, never a query, a header or a body. So it brings no secret and no personal data into a log.
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import urlsplit

import requests
from requests import exceptions
from requests.structures import CaseInsensitiveDict
from tenacity import RetryCallState, Retrying, retry_if_exception
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import (
    AccessDenied,
    BridgeError,
    CircuitOpen,
    NotUnderstood,
    Overloaded,
    RetryLater,
    Unreachable,
)
from lms_bridge.domain.ports import Limits
from lms_bridge.http.address_guard import GuardedAdapter, check_address
from lms_bridge.http.call_slots import CallSlots
from lms_bridge.http.deadline import Deadline, check_time, holding

CHUNK = 64 * 1024
logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)  # its lines show whole addresses
LONGEST_WAIT = 86_400.0
"""Seconds: a ``Retry-After`` beyond a day is taken for a day."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whole. ``content_type`` is the bare media type in lower case; header names are
    looked up in any case."""

    status: int
    content_type: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(slots=True)
class _Call:
    """One request with its attempts. ``lost`` becomes True once an answer may have been lost."""

    prepared: requests.PreparedRequest
    name: str
    repeatable: bool
    returns: Container[int]
    deadline: Deadline
    lost: bool = False

    def may_repeat(self, error: BaseException, most_seconds: float) -> bool:
        """Whether to try again, without waiting longer than so many seconds."""
        if not isinstance(error, RetryLater) or isinstance(error, CircuitOpen):
            return False
        self.lost = self.lost or error.applied
        return (error.after or 0.0) <= most_seconds and (self.repeatable or not self.lost)


class Breaker:
    """Opens after so many failures in a row; lets one probe through after a time.

    It also remembers a requested wait: ``Retry-After`` holds for every
    request to the system, not only for this one.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._first = ""
        """What the first of the failures in a row said."""
        self._closed_from = self._quiet_until = 0.0

    def enter(self, name: str) -> float:
        """The seconds to wait before sending.

        Raises:
            CircuitOpen: while open, and for all but one request while it is being probed.
            Overloaded: the system requested a wait that is too long.
        """
        with self._lock:
            now = self._clock()
            if self._failures >= self._limits.break_after:
                if now < self._closed_from:
                    error = self._first
                    raise CircuitOpen(
                        "circuit-open",
                        f"{name}: too many failures in a row, so this request was not sent. The "
                        f"first was: {error}",
                        after=self._closed_from - now,
                    )
                self._closed_from = now + self._limits.break_seconds
            remaining = self._quiet_until - now
            if remaining > self._limits.backoff_most_seconds:
                raise _asked_to_wait(name, remaining)
            return max(0.0, remaining)

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self, error: RetryLater) -> None:
        after = error.after
        with self._lock:
            now = self._clock()
            self._first = self._first if self._failures else str(error)
            self._failures += 1
            if self._failures >= self._limits.break_after:
                self._closed_from = now + self._limits.break_seconds
            self._quiet_until = max(self._quiet_until, now + (after or 0.0))


def _asked_to_wait(name: str, seconds: float) -> Overloaded:
    message = f"{name}: the system asked for a pause, which lasts {seconds:.0f} s more."
    return Overloaded("asked-to-wait", message, "The next run goes on after it.", after=seconds)


class Http:
    """All requests to one system. Safe for threads.

    At most ``calls_at_once`` are under way at a time: in this whole process if it was given the
    ``slots`` of the system, else by this client.

    Args:
        access_limits: how hard the system may be pressed, and how long one request may last in all.
        private_addresses: whether plain http and internal addresses are allowed.
        system: the system's name, for messages.
        clock: monotonic seconds.
        sleep: waits for so many seconds; the default is ended at once by ``close``.
        jitter: where random waits come from.
        slots: the calls to the system that are under way (``slots_of``).
    """

    def __init__(
        self,
        access_limits: Limits,
        *,
        private_addresses: bool,
        system: str = "",
        slots: CallSlots | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._limits = access_limits
        self._private_addresses = private_addresses
        self._system = system or "the other system"
        self._clock, self._jitter = clock, jitter or random.SystemRandom()
        self._stopped = threading.Event()
        self._wait_for = sleep or self._stopped.wait
        self._slots = slots or CallSlots()
        self._breaker = Breaker(access_limits, clock)
        self._adapter = GuardedAdapter(
            private_addresses=private_addresses, connections=access_limits.calls_at_once
        )

    def request(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes | None = None,
        repeatable: bool,
        returns: Container[int] = (),
    ) -> Response:
        """The answer to one request: any 2xx, and the statuses in ``returns``.

        A ``repeatable`` request may be sent twice. Any other is sent again only if it certainly did
        not arrive.

        Raises:
            Unreachable: no connection, a lost answer, a 5xx; ``applied`` is True where the request
                may have been carried out.
            Overloaded: a 408, 429 or 503; ``after`` is ``Retry-After`` in seconds.
            CircuitOpen: too many failures in a row.
            OutOfTime: the run that the request belongs to has taken its whole time.
            AccessDenied: a 401 or 403.
            NotUnderstood: a redirect, another 4xx, an answer that is too large, a bad certificate.
            AddressRefused: the address guard refused the address.
        """
        check_time()
        check_address(address, private_addresses=self._private_addresses)
        name = f"{self._system} {urlsplit(address).path or '/'}"
        prepared = _prepare(method, address, headers, body)
        deadline = Deadline(self._limits.whole_seconds, self._clock)
        call = _Call(prepared, name, repeatable, returns, deadline)
        most = self._limits.backoff_most_seconds
        retrying = Retrying(
            stop=lambda state: (
                state.attempt_number >= self._limits.attempts
                or state.upcoming_sleep >= deadline.left()
            ),
            retry=retry_if_exception(lambda error: call.may_repeat(error, most)),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, call)
        except RetryLater as error:
            error.applied = error.applied or call.lost
            raise

    def close(self) -> None:
        """Ends all waits and idle connections; later requests are refused."""
        self._stopped.set()
        self._slots.wake()
        self._adapter.close()

    def _pause(self, state: RetryCallState) -> float:
        """Exponential back-off with full jitter, and at least the requested wait."""
        most = self._limits.backoff_most_seconds
        ceiling = min(most, self._limits.backoff_seconds * 2 ** (state.attempt_number - 1))
        error = state.outcome.exception() if state.outcome else None
        requested = error.after if isinstance(error, RetryLater) and error.after else 0.0
        return requested + self._jitter.uniform(0.0, ceiling)

    def _sleep(self, seconds: float) -> None:
        self._wait_for(seconds)
        self._check_stopped()

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Unreachable("stopping", f"The connection to {self._system} was closed.")

    @contextmanager
    def _slot(self, call: _Call) -> Iterator[None]:
        """One of the calls at once, as soon as there is one. Others' calls take none of this
        one's time: the deadline waits, too."""
        began = self._clock()
        most, stopped = self._limits.whole_seconds, self._stopped.is_set
        with self._slots.slot(self._limits.calls_at_once, most, stopped) as taken:
            self._check_stopped()
            if not taken:
                raise Overloaded("busy", f"{call.name}: too many requests to it are under way.")
            call.deadline.extend(self._clock() - began)
            yield

    def _attempt(self, call: _Call) -> Response:
        with self._slot(call):
            wait = self._breaker.enter(call.name)
            if wait >= call.deadline.left():
                raise _asked_to_wait(call.name, wait)
            if wait:
                self._sleep(wait)
            try:
                response = self._exchange(call)
                _judge(call, response)
            except RetryLater as error:
                self._breaker.failed(error)
                raise
            except BridgeError:
                self._breaker.succeeded()  # the other side answered, whatever it said
                raise
            self._breaker.succeeded()
            return response

    def _exchange(self, call: _Call) -> Response:
        limits = self._limits
        with _errors_classed(call), holding(call.deadline):
            answer = self._adapter.send(
                call.prepared,
                stream=True,
                timeout=(limits.connect_seconds, limits.read_seconds),
            )
            try:
                body = self._read(answer)
                if body is not None:
                    answer.raw.release_conn()
            finally:
                answer.close()
        if body is None:
            raise NotUnderstood(
                "too-large", f"{call.name}: the answer has more than {limits.most_bytes:,} bytes."
            )
        content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Response(answer.status_code, content_type, CaseInsensitiveDict(answer.headers), body)

    def _read(self, answer: requests.Response) -> bytes | None:
        """The body as it comes in; None once it is larger than allowed."""
        parts: list[bytes] = []
        size = 0
        while chunk := answer.raw.read1(CHUNK, decode_content=True):
            size += len(chunk)
            if size > self._limits.most_bytes:
                return None
            parts.append(chunk)
            self._check_stopped()
        return b"".join(parts)


def _judge(call: _Call, response: Response) -> None:
    """Raises the error that the status stands for, unless the caller wants to see it."""
    status, name = response.status, call.name
    if 200 <= status < 300 or status in call.returns:
        return
    if 300 <= status < 400:
        raise NotUnderstood(
            "redirected",
            f"{name}: the address redirects elsewhere, perhaps to a log-in page.",
            "Give the final address of the system, with the right scheme and host.",
        )
    if status in (408, 429, 503):
        requested = retry_after(response.headers.get("Retry-After", ""), utc_now())
        raise Overloaded(
            "asked-to-wait",
            _come_back(name, status, requested),
            "The bridge goes on after it. If it comes often, lower limits.calls_at_once.",
            after=requested,
            applied=status != 429,  # a gateway also answers so when it lost the real answer
        )
    if status >= 500:
        raise Unreachable(
            "server-error",
            f"{name}: the answer is server error {status}.",
            "The bridge tries again. If it stays, the cause is in the log of that server.",
            applied=True,
        )
    if status in (401, 403):
        raise AccessDenied(
            "access-denied",
            f"{name}: access denied (status {status}).",
            "Check the token and the rights of the account that it belongs to.",
        )
    raise NotUnderstood(
        "refused",
        f"{name}: the request was refused (status {status}).",
        "Check the address, and that nothing before the system changes requests.",
    )


def _come_back(name: str, status: int, seconds: float | None) -> str:
    if not seconds:
        return f"{name}: the system asks to come back later (status {status})."
    return f"{name}: the system asks to come back in {seconds:.0f} s (status {status})."


def _prepare(
    method: str, address: str, headers: Mapping[str, str], body: bytes | None
) -> requests.PreparedRequest:
    """The request, prepared without a session: no cookie, proxy or password file takes part."""
    everything = {"User-Agent": "lms-bridge", "Accept-Encoding": "gzip, deflate", **headers}
    try:
        return requests.Request(method, address, headers=everything, data=body).prepare()
    except (exceptions.RequestException, ValueError):
        raise NotUnderstood("bad-request", "The request cannot be put together.") from None


def retry_after(text: str, now: datetime) -> float | None:
    """The seconds that a ``Retry-After`` header asks for, at most a day; None without a usable one.

    Source: RFC 9110, section 10.2.3 (seconds, or an HTTP date).
    """
    text = text.strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_WAIT)


@contextmanager
def _errors_classed(call: _Call) -> Iterator[None]:
    """Turns the library's errors into ours. ``from None``: theirs hold addresses and bodies."""
    try:
        with _library_errors_classed(call.name):
            yield
    except Unreachable as error:
        if error.applied and call.deadline.left() <= 0:
            message = f"{call.name}: the answer was not whole in time."
            raise Unreachable("too-slow", message, applied=True) from None
        raise


@contextmanager
def _library_errors_classed(name: str) -> Iterator[None]:
    try:
        yield
    except exceptions.ConnectTimeout:
        raise Unreachable("no-connection", f"{name}: no connection was made in time.") from None
    except exceptions.SSLError as error:
        if _caused_by(error, ssl.SSLCertVerificationError):
            raise NotUnderstood(
                "bad-certificate",
                f"{name}: the server's certificate is not valid.",
                "The certificate must be current, for this host, and with its whole chain.",
            ) from None
        raise Unreachable(
            "tls-failed",
            f"{name}: the encrypted connection failed (TLS).",
            "Check that the address has https and its server speaks TLS 1.2 or later.",
            applied=True,
        ) from None
    except exceptions.ConnectionError as error:
        if _caused_by(error, NewConnectionError):
            raise Unreachable(
                "no-connection",
                f"{name}: {_no_connection(error)}.",
                "Check the address, that its server runs, and that no firewall is in between. The "
                "bridge tries again.",
            ) from None
        raise Unreachable(
            "answer-lost", f"{name}: the connection broke before the answer.", applied=True
        ) from None
    except exceptions.Timeout:
        raise Unreachable(
            "timed-out",
            f"{name}: no answer in time.",
            "The bridge tries again. If it stays, raise limits.read_seconds for this system.",
            applied=True,
        ) from None
    except (exceptions.RequestException, HTTPError, OSError):
        raise Unreachable("answer-lost", f"{name}: the answer broke off.", applied=True) from None


def _no_connection(error: BaseException) -> str:
    if _caused_by(error, NameResolutionError):
        return "the name of its server is not known"
    if _caused_by(error, ConnectionRefusedError):
        return "its server refuses connections"
    return "no connection could be made"


def _caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error of that kind is the reason of this one, however deeply wrapped."""
    seen: list[object] = [error]
    for _ in range(8):
        inner = seen[-1]
        if isinstance(inner, kind):
            return True
        if not isinstance(inner, BaseException):
            return False
        reason = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        seen.append(reason if isinstance(reason, BaseException) else inner.__cause__)
    return False
