"""Test clients (browsers) in which a person has signed in, now or at an earlier time."""

import time

from django.test import Client

from portal.models import User


def signed_in_by(user: User, method: str = "password", *, at: float | None = None) -> Client:
    """A browser in which the person signed in with a ``password`` or a second factor (``mfa``), at ``at`` or now."""
    client = Client()
    client.force_login(user)
    session = client.session
    session["account_authentication_methods"] = [{"method": method, "at": time.time() if at is None else at}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return client
