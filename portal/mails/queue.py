"""Keep mails until a mail server has taken them, and try again as SMTP asks: a code of 4xx is for now, 5xx for good.

A mail is a row, written in the transaction of the change that it reports. The worker sends it at once, and a schedule
finds what is left; a web process sends what has waited for a minute, since the worker may be dead. Only the row's
number is handed on, and its content is encrypted. A crash just after the server took a mail sends it twice.
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
RUN_FOR = timedelta(seconds=30)  # well below SENT_WITHIN, and below the time in which the worker ends a task
SENT_WITHIN = timedelta(minutes=2)  # by then, who has claimed a mail has sent it or is dead
RETRY_AFTER = [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)]  # and every hour from then on
TRY_FOR = timedelta(days=3)
LATE_AFTER = timedelta(minutes=1)
LOOK_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Attempt(StrEnum):
    """What came of trying to send a mail."""

    SENT = "sent"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"


class QueueBackend(BaseEmailBackend):
    """Django's way to send mail: writes a row for each recipient, and has the worker send them after the commit."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue them; returns how many."""
        now = timezone.now()
        for message in email_messages:
            for recipient in message.recipients():
                content = encrypt(_content(message), bound_to=_owner(recipient))
                mail = QueuedMail.objects.create(recipient=recipient, content=content, created_at=now, due_at=now)
                enqueue_after_commit("portal.tasks.send_mail", mail.pk)
        return len(email_messages)


def send_mail(mail_id: int, *, now: datetime) -> int:
    """Try this mail, unless it is sent, claimed or to be tried later; returns how many were tried, one or none."""
    return int(_attempt(mail_id, now) is not None)


def send_due(*, now: datetime, late_by: timedelta = timedelta(0)) -> int:
    """Try up to a batch of mails, those that have waited longest first; returns how many.

    It stops where no mail server answers, and after half a minute: a slow server must not hold the worker. A recipient
    whom the server puts off is not tried again in this run.
    """
    began, tried = time.monotonic(), 0
    due = QueuedMail.objects.filter(due_at__lte=now - late_by).order_by("due_at", "pk")
    for mail_id in list(due.values_list("pk", flat=True)[:BATCH]):
        passed = timedelta(seconds=time.monotonic() - began)
        if passed > RUN_FOR:
            break
        attempt = _attempt(mail_id, now + passed)  # a claim counts from its own time, not from the begin of the run
        tried += attempt is not None
        if attempt is Attempt.UNREACHABLE:
            break
    return tried


async def send_late_mails() -> None:
    """Send what nobody has sent for a minute, for as long as this process serves."""
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
    """Try the mail and write down what came of it; None where it is not ours to try."""
    mail = _claim(mail_id, now)
    if mail is None:
        return None
    attempt = _try(mail)
    _settle(mail, attempt, now)
    return attempt


def _claim(mail_id: int, now: datetime) -> QueuedMail | None:
    """The mail, if it is due and nobody else is sending it."""
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
        # No text of the server's: it may name the recipient.
        extra = {"mail": mail.pk, "attempt": mail.attempts + 1, "error": type(exc).__name__, "code": code}
        log.warning("mail.not_taken", extra=extra | {"outcome": attempt.value})
        return attempt
    except ValueError as exc:  # no server takes such an address
        return _unsendable(mail, exc, Attempt.REFUSED)
    except Exception as exc:  # noqa: BLE001  # this process may lack a new key, or know another form of the content
        return _unsendable(mail, exc, Attempt.BROKEN)
    return Attempt.SENT


def _unsendable(mail: QueuedMail, exc: Exception, attempt: Attempt) -> Attempt:
    # No traceback: the exception's text may name the recipient.
    log.error("mail.unsendable", extra={"mail": mail.pk, "error": type(exc).__name__, "outcome": attempt.value})
    return attempt


def _meaning(exc: OSError) -> tuple[Attempt, int]:
    """What the failure says of this mail, and its code; 0 where it says nothing of it but of the server."""
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
    """Forget a mail that is sent, refused or too old; put off the others, a deferred one with all to its recipient."""
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
