"""A mail server that cannot be reached."""

import smtplib
from typing import Any

from django.core.mail.backends.base import BaseEmailBackend


class Backend(BaseEmailBackend):
    """Fails as smtplib does."""

    def send_messages(self, email_messages: Any) -> int:
        """Refuse."""
        raise smtplib.SMTPServerDisconnected
