"""Store mails until a mail server accepts them. Retry as SMTP asks: a 4xx code is temporary, a 5xx code is final.

A mail is a row, written in the transaction of the change that it reports. The worker sends it at once, and a scheduled
task sends the rest. Web processes send mails that have waited for a minute, because the worker may be down. A task
carries only the row's number, and the row's content is encrypted. If a process dies right after the server accepted a
mail, the mail is sent twice.
"""

import json
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from smtplib import SMTPDataError, SMTPNotSupportedError, SMTPRecipientsRefused, SMTPSenderRefused

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from portal.edge.lifespan import repeat
from portal.encryption import decrypt, encrypt
from portal.jobs import enqueue_after_commit
from portal.models import QueuedMail

BATCH = 100
RUN_FOR = timedelta(seconds=30)  # well below SENT_WITHIN and the worker's time limit for a task
SENT_WITHIN = timedelta(minutes=2)  # by then, the process that claimed a mail has sent it or has died
RETRY_AFTER = [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)]  # then every hour
TRY_FOR = timedelta(days=3)
LATE_AFTER = timedelta(minutes=1)
LOOK_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Attempt(StrEnum):
    """The result of one attempt to send a mail."""

    SENT = "sent"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"


class QueueBackend(BaseEmailBackend):
    """Django's mail backend that writes a row for each recipient; the worker sends it after the commit."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue the mails; return how many."""
        now = timezone.now()
        for message in email_messages:
            for recipient in message.recipients():
                content = encrypt(_content(message), bound_to=_owner(recipient))
                mail = QueuedMail.objects.create(recipient=recipient, content=content, created_at=now, due_at=now)
                enqueue_after_commit("portal.tasks.send_mail", mail.pk)
        return len(email_messages)


def send_mail(mail_id: int, *, now: datetime) -> int:
    """Try to send this mail, unless it is sent, claimed or not due; return how many were tried, 0 or 1."""
    return int(_attempt(mail_id, now) is not None)


def send_due(*, now: datetime, late_by: timedelta = timedelta(0)) -> int:
    """Try to send up to a batch of due mails, the longest due first; return how many were tried.

    Stop if no mail server responds, and after 30 seconds: a slow server must not block the worker. If the server defers
    a recipient, that recipient is not tried again in this run.
    """
    began, tried = time.monotonic(), 0
    due = QueuedMail.objects.filter(due_at__lte=now - late_by).order_by("due_at", "pk")
    for mail_id in list(due.values_list("pk", flat=True)[:BATCH]):
        passed = timedelta(seconds=time.monotonic() - began)
        if passed > RUN_FOR:
            break
        attempt = _attempt(mail_id, now + passed)  # a claim counts from its own start, not from the start of the run
        tried += attempt is not None
        if attempt is Attempt.UNREACHABLE:
            break
    return tried


async def send_late_mails() -> None:
    """While this process serves, send the mails that nobody has sent for a minute."""
    await repeat(
        lambda: send_due(now=timezone.now(), late_by=LATE_AFTER), every_s=LOOK_EVERY_S, failure="mail.queue_not_read"
    )


def _content(message: EmailMessage) -> bytes:
    alternatives = [list(each) for each in getattr(message, "alternatives", ())]
    fields = {"subject": message.subject, "body": message.body, "from_email": message.from_email}
    return json.dumps(fields | {"headers": message.extra_headers, "alternatives": alternatives}).encode()


def _owner(recipient: str) -> str:
    return f"mail to {recipient}"


def _attempt(mail_id: int, now: datetime) -> Attempt | None:
    """Try the mail and save the result; return None if it is not due or another process has claimed it."""
    mail = _claim(mail_id, now)
    if mail is None:
        return None
    attempt = _try(mail)
    _settle(mail, attempt, now)
    return attempt


def _claim(mail_id: int, now: datetime) -> QueuedMail | None:
    """Claim and return the mail if it is due and unclaimed, else None."""
    mine = QueuedMail.objects.filter(pk=mail_id, due_at__lte=now).update(due_at=now + SENT_WITHIN)
    return QueuedMail.objects.filter(pk=mail_id).first() if mine else None


def _try(mail: QueuedMail) -> Attempt:
    try:
        fields = json.loads(decrypt(mail.content, bound_to=_owner(mail.recipient)))
        message = EmailMultiAlternatives(**fields, to=[mail.recipient])
        message.connection = get_connection(settings.MAIL_BACKEND)
        message.send()
    except OSError as exc:  # smtplib's errors, too
        attempt, code = _meaning(exc)
        # Do not log the server's text: it may name the recipient.
        extra = {"mail": mail.pk, "attempt": mail.attempts + 1, "error": type(exc).__name__, "code": code}
        log.warning("mail.not_taken", extra=extra | {"outcome": attempt.value})
        return attempt
    except ValueError as exc:  # no server accepts such an address
        return _unsendable(mail, exc, Attempt.REFUSED)
    except Exception as exc:  # noqa: BLE001  # the process may lack a new key, or not know the content's format
        return _unsendable(mail, exc, Attempt.BROKEN)
    return Attempt.SENT


def _unsendable(mail: QueuedMail, exc: Exception, attempt: Attempt) -> Attempt:
    # No traceback: the exception's text may name the recipient.
    log.error("mail.unsendable", extra={"mail": mail.pk, "error": type(exc).__name__, "outcome": attempt.value})
    return attempt


def _meaning(exc: OSError) -> tuple[Attempt, int]:
    """Return the result of a failed attempt and the SMTP code; 0 if the failure is about the server, not this mail."""
    if isinstance(exc, SMTPNotSupportedError):
        return Attempt.REFUSED, 0
    code = 0
    if isinstance(exc, SMTPRecipientsRefused):
        code = max(code for code, _ in exc.recipients.values())
    elif isinstance(exc, SMTPSenderRefused | SMTPDataError):
        code = exc.smtp_code
    if code >= 500:
        return Attempt.REFUSED, code
    return (Attempt.DEFERRED if code else Attempt.UNREACHABLE), code


def _settle(mail: QueuedMail, attempt: Attempt, now: datetime) -> None:
    """Delete a mail that is sent, refused or too old; reschedule any other.

    A deferral also reschedules all other mails to the same recipient.
    """
    is_too_old = now - mail.created_at >= TRY_FOR
    if attempt in {Attempt.SENT, Attempt.REFUSED} or is_too_old:
        QueuedMail.objects.filter(pk=mail.pk).delete()
        if is_too_old and attempt is not Attempt.SENT:
            log.error("mail.given_up", extra={"mail": mail.pk})
        return
    again_at = now + RETRY_AFTER[min(mail.attempts, len(RETRY_AFTER) - 1)]
    QueuedMail.objects.filter(pk=mail.pk).update(due_at=again_at, attempts=mail.attempts + 1)
    if attempt is Attempt.DEFERRED:
        QueuedMail.objects.filter(recipient=mail.recipient, due_at__lt=again_at).update(due_at=again_at)
