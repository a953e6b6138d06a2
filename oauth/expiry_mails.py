"""Mail owners when a secret of their client has ended: one mail for each secret, without the secret."""

from django.urls import reverse

from keys.expiry_mails import recipients_of
from oauth.models import ClientSecret
from portal.mails.messages import Mail, send
from portal.models import User
from portal.ui.times import exact_words


def mail_ended_secret(secret: ClientSecret) -> None:
    """Queue the mail in the transaction that records the end, so that it is sent once and cannot be lost."""
    client = secret.client
    if client.organization.closed_at is None:
        for person in recipients_of(client.organization, client.owner):
            send(_secret_ended(secret, person), [person.email])


def _secret_ended(secret: ClientSecret, recipient: User) -> Mail:
    client = secret.client
    ended = exact_words(secret.ends_at, recipient.zone) if secret.ends_at else ""
    used = exact_words(secret.last_used_at, recipient.zone) if secret.last_used_at else "never"
    return Mail(
        f"An old secret of {client.name} has ended",
        [
            f"The old secret {secret.hint} of the OAuth client {client.name} of {client.organization.name} ended on "
            f"{ended}. The token endpoint refuses it; the newer secret still works.",
            f"The old one was last used: {used}. If something still uses it, roll the client again.",
        ],
        "Roll the client",
        reverse("clients:roll", args=[client.public_id]),
    )
