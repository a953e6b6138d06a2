"""Clients as pages and commands show them. Every decision is made here, so that templates make none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from keys.models import Secret
from keys.pages.presenters import CredentialView, Words, facts_of, status_of
from keys.pages.usage_reports import Calls
from keys.rules.field_rules import rate_words
from keys.rules.states import CredentialStatus
from oauth.models import Client, Grant

_EXPLANATIONS = {
    CredentialStatus.LEAKED: "This client leaked and was revoked. It gets no tokens, and those it had are refused.",
    CredentialStatus.REVOKED: (
        "This client is revoked. It gets no tokens, those it had are refused, and that cannot be undone."
    ),
    CredentialStatus.PAUSED: (
        "This client is paused. It gets no tokens, and those it has are refused until somebody resumes it."
    ),
    CredentialStatus.SUSPENDED: (
        "The organization is suspended. Its clients get no tokens, and those they have are refused."
    ),
}


@dataclass(frozen=True)
class GrantView:
    """A grant with the API's ceiling on rates in words."""

    grant: Grant
    ceiling: str


@dataclass(frozen=True)
class ClientView(CredentialView[Client]):
    """A client at a given time, for a person who may or may not change it."""

    shows_hint = False
    words = Words(
        noun="client",
        plural="OAuth clients",
        pages="clients",
        saved="client secret",
        roll="A new secret with the same rights. You choose how long the old one still works. Tokens issued before "
        "stay valid until they expire; revoke all tokens to end them now.",
        overlap="At most 30 days from now.",
        revocation="It gets no more tokens, and every token it has will be refused at once. This cannot be undone.",
        refused="Its tokens are refused",
        old_refused="It gets no tokens",
    )

    @property
    def apis(self) -> list[str]:
        """The names of the APIs that it may get tokens for."""
        return [grant.api.name for grant in self.subject.grants.all()]

    @property
    def granted(self) -> list[GrantView]:
        """The grants as pages show them."""
        return [GrantView(grant, rate_words(grant.api.max_rate_limits)) for grant in self.subject.grants.all()]

    @property
    def explanation(self) -> str:
        """The reason why the client gets no tokens; empty if it gets tokens."""
        return _EXPLANATIONS.get(self.status, "")

    @property
    def hint(self) -> str:
        """The hint of the newest secret, or a note that the client uses its own keys."""
        return super().hint or "Its own keys"


def client_view(client: Client, secrets: Sequence[Secret], *, may_manage: bool, now: datetime) -> ClientView:
    """The view of a client at ``now``; ``secrets`` are its secrets that have not ended, newest first."""
    word = status_of(client, facts_of(client), secrets, now=now)
    return ClientView(client, secrets, word, may_manage)


def issue_words(issued: Calls) -> str:
    """The number of issued tokens as a sentence, such as ``12 tokens in the last 24 hours``."""
    number = issued.total - issued.denied
    if not number:
        return "No tokens in the last 24 hours."
    return f"{'1 token' if number == 1 else f'{number:,} tokens'} in the last 24 hours."
