"""Sends mail by SMTP: sign-in links, and nothing else.

A page never waits for a mail server. A few threads send, each message has one deadline, and what
does not fit into the queue is refused at once.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from queue import Full, Queue

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.domain.errors import BridgeError, Overloaded
from lms_bridge.settings import MailSecurity, MailSettings

_log = structlog.get_logger(__name__)
MOST_WAITING = 200
THREADS = 2


Prepare = Callable[[], "Mail | None"]


@dataclass(frozen=True, slots=True)
class Mail:
    """A message for one person."""

    to: str
    subject: str
    text: str


class Mailer:
    """Prepares and sends messages in the background, in their order."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._queue: Queue[Prepare] = Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._started = False

    @property
    def works(self) -> bool:
        """Whether the settings name a mail server."""
        return bool(self._settings.host)

    def send(self, prepare: Prepare) -> None:
        """Puts a message into the queue. ``prepare`` is called later, and may find that there is
        nothing to send: so whoever waits for the page cannot tell one case from the other.

        Raises:
            Overloaded: too many messages wait.
        """
        try:
            self._queue.put_nowait(prepare)
        except Full:
            raise Overloaded("mail-busy", "Too many messages wait to be sent.", after=60) from None
        self._start()

    @property
    def idle(self) -> bool:
        """Whether every message was sent, or could not be."""
        return self._queue.unfinished_tasks == 0

    def _start(self) -> None:
        with self._lock:
            if self._started:
                return
            self._started = True
        for _ in range(THREADS):
            threading.Thread(target=self._work, name="mail", daemon=True).start()

    def _work(self) -> None:
        while True:
            prepare = self._queue.get()
            try:
                mail = prepare()
                if mail is not None:
                    _hand_over(self._settings, self._message(mail))
                    _log.info("mail sent")
            except BridgeError as error:
                _log.info("no mail", code=error.code)
            except (OSError, smtplib.SMTPException, SQLAlchemyError, ValueError) as error:
                # Neither the address nor the text: both would show who signs in, and the link.
                code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
                _log.warning("mail not sent", error=type(error).__name__, smtp_code=code)
            finally:
                self._queue.task_done()

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


def _hand_over(settings: MailSettings, message: EmailMessage) -> None:
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
        if settings.user:
            server.login(settings.user, settings.password)
        server.send_message(message)
        server.quit()
    finally:
        end.cancel()
        server.close()


def _cut(server: smtplib.SMTP) -> None:
    sock = server.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
