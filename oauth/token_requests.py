"""Read a token request. A program sends the same one again and again: what was right once is known by its digest.

What is remembered of a request holds no secret and decides nothing: the client's secrets, its standing and its grants
are asked each time. An assertion is good for once and never remembered.
"""

import hashlib
import os
from collections.abc import Sequence

from django.core.signals import setting_changed
from django.dispatch import receiver
from msgspec import Struct

from keys.validation.names import SIGNING_KEYS, client_name, organization_name
from oauth.client_auth import digests_of
from oauth.forms import Form, read_form
from oauth.grants import Terms, Wanted, read_request
from oauth.presented import Presented, PresentedAssertion, PresentedDigests, read_presented

MAX_REMEMBERED = 10_000


class TokenRequest(Struct, frozen=True):
    """Who asks, and for what."""

    digest: bytes  # of all that was sent
    presented: Presented
    form: Form
    known: Wanted | None = None  # what the form asks for, where it was read before
    terms: Terms | None = None  # what came of it then

    def __repr__(self) -> str:
        return "TokenRequest(***)"

    @property
    def wanted(self) -> Wanted:
        """What is asked for; raises OAuthError. A stranger is not to be told what is wrong with it."""
        return self.known or read_request(self.form)


def read_token_request(authorization: Sequence[str], body: bytes) -> TokenRequest:
    """The request; ``authorization`` holds the header's lines. Raises InvalidClient or InvalidRequest."""
    sent = "\n".join((str(len(authorization)), *authorization, "")).encode() + body
    digest = hashlib.blake2b(sent, key=_KEY, digest_size=32).digest()
    known = _remembered.get(digest)
    if known is not None:
        return known
    form = read_form(body)
    return TokenRequest(digest, read_presented(authorization, form), form)


def remember(request: TokenRequest, terms: Terms) -> None:
    """The request was right, and this is what it came to."""
    presented = request.presented
    if isinstance(presented, PresentedAssertion):
        return
    if len(_remembered) >= MAX_REMEMBERED and request.digest not in _remembered:
        del _remembered[next(iter(_remembered))]  # the oldest
    client = terms.client
    names = client_name(client.client_id), organization_name(client.organization_id), terms.api_at, SIGNING_KEYS
    known = PresentedDigests(client.client_id, digests_of(presented), names)
    _remembered[request.digest] = TokenRequest(request.digest, known, {}, request.wanted, terms)


_KEY = os.urandom(32)  # what a digest is made with tells nobody outside this process anything
_remembered: dict[bytes, TokenRequest] = {}


@receiver(setting_changed)
def _forget(**_: object) -> None:
    _remembered.clear()
