"""Read a token request. A program sends the same one again and again: what was right once is known by its digest.

What is remembered of a request holds no secret and decides nothing: the client's secrets, its standing and its grants
are asked each time. An assertion is good for once and never remembered.
"""

from collections.abc import Sequence

from django.core.signals import setting_changed
from django.dispatch import receiver
from msgspec import Struct

from keys.validation.peppers import newest_digest
from oauth.client_auth import digests_of
from oauth.forms import Form, read_form
from oauth.grants import Wanted, read_request
from oauth.presented import Presented, PresentedDigests, PresentedSecret, read_presented

MAX_REMEMBERED = 10_000


class TokenRequest(Struct, frozen=True):
    """Who asks, and for what."""

    digest: bytes  # of all that was sent
    presented: Presented
    form: Form
    known: Wanted | None = None  # what the form asks for, where it was read before

    def __repr__(self) -> str:
        return "TokenRequest(***)"

    @property
    def wanted(self) -> Wanted:
        """What is asked for; raises OAuthError. A stranger is not to be told what is wrong with it."""
        return self.known or read_request(self.form)


def read_token_request(authorization: Sequence[str], body: bytes) -> TokenRequest:
    """The request; ``authorization`` holds the header's lines. Raises InvalidClient or InvalidRequest."""
    digest = newest_digest("\n".join((str(len(authorization)), *authorization, body.decode("latin-1"))))
    known = _remembered.get(digest)
    if known is not None:
        return known
    form = read_form(body)
    return TokenRequest(digest, read_presented(authorization, form), form)


def remember(request: TokenRequest, leads: Sequence[str]) -> None:
    """The request was right, and these snapshots were needed for it."""
    if isinstance(request.presented, PresentedSecret):
        if len(_remembered) >= MAX_REMEMBERED:
            del _remembered[next(iter(_remembered))]  # the oldest
        presented = PresentedDigests(request.presented.client_id, digests_of(request.presented), leads)
        _remembered[request.digest] = TokenRequest(request.digest, presented, {}, request.wanted)


_remembered: dict[bytes, TokenRequest] = {}


@receiver(setting_changed)
def _forget(**_: object) -> None:
    _remembered.clear()
