"""Read a token request. A program sends the same one again and again: what was right once is known again.

What is remembered of a request holds no secret: the client's secrets and its standing are asked each time, and what it
is given is settled anew once client or API are another snapshot. An assertion is good for once and never remembered.
"""

from collections.abc import Sequence

from msgspec import Struct

from keys.validation.memo import Memo, mark_of
from keys.validation.names import SIGNING_KEYS, client_name, organization_name
from keys.validation.shapes import ClientSnapshot
from oauth.client_auth import digests_of
from oauth.forms import Form, read_form
from oauth.grants import Terms, Wanted, read_request
from oauth.presented import Presented, PresentedAssertion, PresentedDigests, read_presented


class TokenRequest(Struct, frozen=True):
    """Who asks, and for what."""

    mark: bytes  # of all that was sent
    presented: Presented
    form: Form
    terms: Terms | None = None  # what it came to before, where it did

    def __repr__(self) -> str:
        return "TokenRequest(***)"

    @property
    def wanted(self) -> Wanted:
        """What is asked for; raises OAuthError. A stranger is not to be told what is wrong with it."""
        return read_request(self.form) if self.terms is None else self.terms.wanted


def read_token_request(authorization: Sequence[str], body: bytes) -> TokenRequest:
    """The request; ``authorization`` holds the header's lines. Raises InvalidClient or InvalidRequest."""
    sent = "\n".join((str(len(authorization)), *authorization, "")).encode() + body
    mark = mark_of(sent)
    known = _MEMO.get(mark)
    if known is not None:
        return known
    form = read_form(body)
    return TokenRequest(mark, read_presented(authorization, form), form)


def remember(request: TokenRequest, client: ClientSnapshot, terms: Terms) -> None:
    """The client's request was right, and this is what it came to."""
    presented = request.presented
    if isinstance(presented, PresentedAssertion):
        return
    names = client_name(client.client_id), organization_name(client.organization_id), terms.api_at, SIGNING_KEYS
    known = PresentedDigests(client.client_id, digests_of(presented), names)
    _MEMO.remember(request.mark, TokenRequest(request.mark, known, {}, terms))


_MEMO: Memo[TokenRequest] = Memo(10_000)
