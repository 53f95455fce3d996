"""Sends mail by SMTP: sign-in links, and nothing else.

A page never waits for a mail server. A few threads send, each message has one deadline, and what
does not fit into the queue is refused at once. A message that the server did not take for a reason
that may pass is sent again some minutes long: a link lives no longer.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from queue import Full, Queue
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.domain.errors import BridgeError, Overloaded
from lms_bridge.settings import MailSecurity, MailSettings

_log = structlog.get_logger(__name__)
MOST_WAITING = 200
THREADS = 2
MOST_TRIES, RETRY_SECONDS = 5, 120.0
PROBE_SECONDS = 120.0
"""A server that fails is asked again after so long, also if no message waits."""

_OK = 250
_AGAIN = 2
"""The number of a try that is not the first."""

Prepare = Callable[[], "Mail | None"]


@dataclass(frozen=True, slots=True)
class Mail:
    """A message for one person."""

    to: str
    subject: str
    text: str


class MailNotes(Protocol):
    """Keeps for operators whether the server fails."""

    def failed(self, requests: int) -> None:
        """``requests``: how many more met it."""

    def works(self) -> None: ...


class NoNotes:
    def failed(self, requests: int) -> None: ...

    def works(self) -> None: ...


class Mailer:
    """Prepares and sends messages in the background, in their order."""

    def __init__(
        self,
        settings: MailSettings,
        retry_seconds: float = RETRY_SECONDS,
        *,
        notes: MailNotes | None = None,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self._settings, self._retry_seconds = settings, retry_seconds
        self._notes, self._probe_seconds = notes or NoNotes(), probe_seconds
        self._queue: Queue[tuple[Prepare, int]] = Queue(MOST_WAITING)
        self._again: list[tuple[Prepare, int]] = []
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._timers: set[threading.Timer] = set()
        self._failing = self._probing = self._closed = False

    @property
    def works(self) -> bool:
        """Whether the settings name a mail server."""
        return bool(self._settings.host)

    @property
    def failing(self) -> bool:
        """Whether the server could not be used when it was last needed. It is asked for every
        request, also where there is nothing to send: so this tells nothing of anybody's account."""
        return self._failing

    def send(self, prepare: Prepare) -> None:
        """Puts a message into the queue. ``prepare`` is called later, and may find that there is
        nothing to send: so whoever waits for the page cannot tell one case from the other.

        Raises:
            Overloaded: too many messages wait.
        """
        try:
            self._queue.put_nowait((prepare, 1))
        except Full:
            raise Overloaded("mail-busy", "Too many messages wait to be sent.", after=60) from None
        self._start()

    def resume(self) -> None:
        """An earlier process noted that the server fails: asks it again."""
        self._failing = True
        self.probe()

    def probe(self) -> None:
        """Asks the server, and sends nothing: its recovery is noticed also if no message waits.
        Otherwise the end of a failure would tell whether one waited."""
        with self._lock:
            self._probing = False
        with suppress(Full):
            self._queue.put_nowait((lambda: None, _AGAIN))
        self._start()

    @property
    def idle(self) -> bool:
        """Whether every message was sent, or could not be."""
        with self._lock:
            return self._queue.unfinished_tasks == 0 and not self._again

    def close(self) -> None:
        """Sends nothing more. A message that is just being sent gets its time to the end."""
        with self._lock:
            self._closed = True
            threads, timers = self._threads, self._timers
        for timer in timers:
            timer.cancel()
        for _ in threads:
            with suppress(Full):  # each thread ends at the next entry, whatever that is
                self._queue.put_nowait((lambda: None, _AGAIN))
        for thread in threads:
            thread.join(self._settings.seconds)

    def _start(self) -> None:
        with self._lock:
            if self._threads or self._closed:
                return
            for _ in range(THREADS):
                self._threads.append(threading.Thread(target=self._work, name="mail", daemon=True))
                self._threads[-1].start()

    def _work(self) -> None:
        while True:
            prepare, tries = self._queue.get()
            try:
                if self._closed:
                    return
                self._deliver(self._prepared(prepare), tries)
            finally:
                self._queue.task_done()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        """The caller holds the lock."""
        if self._closed:
            return
        self._timers = {timer for timer in self._timers if timer.is_alive()}
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def _prepared(self, prepare: Prepare) -> Mail | None:
        try:
            return prepare()
        except BridgeError as error:
            _log.info("no mail", code=error.code)
        except (SQLAlchemyError, ValueError) as error:
            _log.warning("mail not sent", error=type(error).__name__)
        return None

    def _deliver(self, mail: Mail | None, tries: int) -> None:
        opened = False
        try:
            with _opened(self._settings) as server:
                opened = True
                self._recovered()
                if mail is not None:
                    server.send_message(self._message(mail), to_addrs=[mail.to])
                    _log.info("mail sent")
        except (OSError, ValueError) as error:  # smtplib's own are among them
            if not opened:
                self._failed(tries)
            code = _code_of(error)
            # Neither the address nor the text: both would show who signs in, and the link.
            _log.warning("mail not sent", error=type(error).__name__, smtp_code=code, tries=tries)
            if mail is not None and (not opened or _may_pass(error, code)):
                self._send_later(mail, tries + 1)

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            self._notes.works()

    def _failed(self, tries: int) -> None:
        self._failing = True
        self._notes.failed(1 if tries < _AGAIN else 0)
        with self._lock:
            if not self._probing:
                self._probing = True
                self._later(self._probe_seconds, self.probe)

    def _send_later(self, mail: Mail, tries: int) -> None:
        with self._lock:
            if tries > MOST_TRIES or len(self._again) >= MOST_WAITING:
                return
            self._again.append((lambda: mail, tries))
            if len(self._again) == 1:
                self._later(self._retry_seconds, self._send_again)

    def _send_again(self) -> None:
        with self._lock:
            for each in self._again:
                with suppress(Full):
                    self._queue.put_nowait(each)
            self._again = []

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = make_msgid(domain=self._settings.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5
        message.set_content(mail.text)
        return message


def try_server(settings: MailSettings) -> str:
    """Why the mail server cannot be used, in words of the system or of the server; "" if it can.
    Nothing is sent."""
    try:
        with _opened(settings):
            return ""
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


def _code_of(error: Exception) -> int | None:
    """What the server answered: 4xx may pass, 5xx will not (RFC 5321, section 4.2.1)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min((code for code, _ in error.recipients.values()), default=None)
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None


def _may_pass(error: Exception, code: int | None) -> bool:
    if code is not None:
        return code < 500
    lost = isinstance(error, smtplib.SMTPServerDisconnected)
    return lost or not isinstance(error, (smtplib.SMTPException, ValueError))


@contextmanager
def _opened(settings: MailSettings) -> Iterator[smtplib.SMTP]:
    """The mail server, ready for messages of this sender."""
    context = ssl.create_default_context()
    own_name = settings.sender.rpartition("@")[2]
    server: smtplib.SMTP
    if settings.security is MailSecurity.TLS:
        server = smtplib.SMTP_SSL(
            timeout=settings.seconds, context=context, local_hostname=own_name
        )
    else:
        server = smtplib.SMTP(timeout=settings.seconds, local_hostname=own_name)
    # The name that TLS checks the certificate for; without it, the constructor would connect.
    server._host = settings.host  # type: ignore[attr-defined]  # typeshed has no such attribute
    # A socket's time-out begins anew with every byte; this timer does not.
    end = threading.Timer(settings.seconds, _cut, [server])
    end.daemon = True
    end.start()
    try:
        server.connect(settings.host, settings.port)
        if settings.security is MailSecurity.STARTTLS:
            server.starttls(context=context)
        server.ehlo_or_helo_if_needed()
        if settings.user:
            server.login(settings.user, settings.password)
        _check_sender(server, settings.sender)
        yield server
        with suppress(OSError):  # the message is delivered: sending it again would double it
            server.quit()
    finally:
        end.cancel()
        server.close()


def _check_sender(server: smtplib.SMTP, sender: str) -> None:
    """A server that takes nothing from this sender is of no use to anybody."""
    if sender.isascii():  # others need an extension, which the message asks for
        code, answer = server.mail(sender)
        if code != _OK:
            raise smtplib.SMTPSenderRefused(code, answer, sender)
        server.rset()


def _cut(server: smtplib.SMTP) -> None:
    sock = server.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
