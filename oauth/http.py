"""``POST /oauth/token``: the edge of the issuing of tokens."""

import msgspec

from oauth.client_auth import caller_of
from oauth.exchange import PRAGMA, oauth_endpoint, read_post
from oauth.issuing import ISSUER
from oauth.presented import read_presented
from portal.exchange import Answer, Exchange

_encoder = msgspec.json.Encoder()


async def _token(exchange: Exchange) -> Answer:
    form = await read_post(exchange)
    presented = read_presented(exchange.headers(b"authorization"), form)
    issued = await ISSUER.issue(presented, form, caller_of(exchange))
    return Answer(_encoder.encode(issued), headers=PRAGMA)


token = oauth_endpoint(_token)
