"""Mail backends: print mails in the terminal, or send them on other threads so that no request waits for a server."""

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
    """Print each mail in a box on standard output; for embedded mode, which has no mail server."""

    _lock = threading.Lock()

    def __init__(self, *, stream: TextIO | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.stream = stream

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Print the mails; return how many."""
        stream = self.stream or sys.stdout
        for message in email_messages:
            text = box(message)
            with self._lock:
                stream.write(text.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8"))
                stream.flush()
        return len(email_messages)


def box(message: EmailMessage) -> str:
    """Return the mail's recipient, subject and plain text in a frame, without control characters."""
    lines = [f"To:      {', '.join(message.to)}", f"Subject: {message.subject}", "", *str(message.body).splitlines()]
    shown = ("".join(char if char.isprintable() else "?" for char in line) for line in lines)
    rule = "-" * (BOX_CHARS - 8)
    return "\n".join([f"+- mail {rule}", *(f"| {line}".rstrip() for line in shown), f"+{'-' * (BOX_CHARS - 1)}", ""])


class BackgroundBackend(BaseEmailBackend):
    """Send mails through ``MAIL_BACKEND`` on background threads: neither delay nor failure changes the response.

    Mails still waiting when the process exits are sent first.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue the mails; return how many were accepted."""
        messages = list(email_messages)
        if not _waiting.acquire(blocking=False):
            log.error("mail.dropped", extra={"mails": len(messages), "reason": "too many are waiting"})
            return 0
        _pool(os.getpid()).submit(_deliver, messages)
        return len(messages)


_waiting = threading.BoundedSemaphore(MAX_WAITING)


@cache
def _pool(_pid: int) -> ThreadPoolExecutor:
    """Return the threads of this process; a forked process gets its own."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="mail")


def _deliver(messages: list[EmailMessage]) -> None:
    try:
        get_connection(settings.MAIL_BACKEND).send_messages(messages)
    except Exception as exc:  # noqa: BLE001  # a mail server or network can fail in any way
        log.error(  # noqa: TRY400  # the exception's text may name the recipient
            "mail.failed", extra={"mails": len(messages), "error": type(exc).__name__}
        )
    finally:
        _waiting.release()
