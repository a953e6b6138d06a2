"""How mail leaves: in a box on the terminal, or on threads of its own so that no request waits for a mail server."""

import logging
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TextIO

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

log = logging.getLogger(__name__)
THREADS = 2
MAX_WAITING = 1_000
BOX_CHARS = 78


class BoxBackend(BaseEmailBackend):
    """Prints each mail in a box on standard output: the embedded default has no mail server."""

    _lock = threading.Lock()

    def __init__(self, *, stream: TextIO | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.stream = stream

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Print them; returns how many."""
        stream = self.stream or sys.stdout
        for message in email_messages:
            text = box(message)
            with self._lock:
                stream.write(text.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8"))
                stream.flush()
        return len(email_messages)


def box(message: EmailMessage) -> str:
    """The mail's recipient, subject and plain text in a frame; control characters cannot reach the terminal."""
    lines = [f"To:      {', '.join(message.to)}", f"Subject: {message.subject}", "", *str(message.body).splitlines()]
    shown = ("".join(char if char.isprintable() else "?" for char in line) for line in lines)
    rule = "-" * (BOX_CHARS - 8)
    return "\n".join([f"+- mail {rule}", *(f"| {line}".rstrip() for line in shown), f"+{'-' * (BOX_CHARS - 1)}", ""])


class BackgroundBackend(BaseEmailBackend):
    """Hands mail to ``MAIL_BACKEND`` outside the request: how long that takes, or that it fails, changes no answer.

    On the way out of the process, mail still waiting is sent.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue them; returns how many were taken."""
        messages = list(email_messages)
        if not _waiting.acquire(blocking=False):
            log.error("mail.dropped", extra={"mails": len(messages), "reason": "too many are waiting"})
            return 0
        _pool(os.getpid()).submit(_deliver, messages)
        return len(messages)


_waiting = threading.BoundedSemaphore(MAX_WAITING)


@cache
def _pool(_pid: int) -> ThreadPoolExecutor:
    """The threads of one process: a fork inherits none."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="mail")


def _deliver(messages: list[EmailMessage]) -> None:
    try:
        get_connection(settings.MAIL_BACKEND).send_messages(messages)
    except Exception as exc:  # noqa: BLE001  # whatever a mail server or a network can do
        log.error(  # noqa: TRY400  # the exception's text may name the recipient
            "mail.failed", extra={"mails": len(messages), "error": type(exc).__name__}
        )
    finally:
        _waiting.release()
