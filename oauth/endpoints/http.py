"""HTTP handlers of ``POST /oauth/token``, ``/oauth/introspect`` and ``/oauth/revoke``, with their bounds."""

import time

import msgspec

from keys.validation.store.database import DEADLINE_S
from oauth.client_auth import origin_of
from oauth.endpoints.introspection import check_bearer, token_of
from oauth.endpoints.oauth_endpoint import PRAGMA, oauth_endpoint, read_form_body, read_post
from oauth.endpoints.token_requests import read_token_request
from oauth.endpoints.wiring import server
from oauth.protocol.client_auth_methods import read_client_auth
from portal.edge.bounds import MAX_FORM_BYTES, Bounds, Sender
from portal.edge.endpoint import Answer, Request

_encoder = msgspec.json.Encoder()


async def _token(request: Request) -> Answer:
    wanted = read_token_request(request.headers(b"authorization"), await read_form_body(request))
    issued = await server().issuer.issue(wanted, origin_of(request))
    return Answer(_encoder.encode(issued), headers=PRAGMA)


async def _introspect(request: Request) -> Answer:
    lines = request.headers(b"authorization")
    check_bearer(lines)
    form, origin = await read_post(request), origin_of(request)
    return Answer(await server().introspector.introspect(lines, form, origin, deadline=_deadline()), headers=PRAGMA)


async def _revoke(request: Request) -> Answer:
    form = await read_post(request)
    client_auth, origin = read_client_auth(request.headers(b"authorization"), form), origin_of(request)
    if "token" not in form:
        # Only an authenticated client learns that the token is missing.
        await server().clients.authenticate(client_auth, origin, deadline=_deadline())
    await server().revoker.revoke(
        client_auth, token_of(form), origin, request_id=request.request_id, deadline=_deadline()
    )
    return Answer(b"", headers=PRAGMA)


def _deadline() -> float:
    return time.monotonic() + DEADLINE_S  # the event loop's clock


_FORM_FIRST = "method, media type"
token = oauth_endpoint(_token, Bounds(Sender.CLIENT, MAX_FORM_BYTES, _FORM_FIRST, 5))
introspect = oauth_endpoint(
    _introspect, Bounds(Sender.CLIENT_OR_API, MAX_FORM_BYTES, f"bearer token's form, {_FORM_FIRST}", 5)
)
revoke = oauth_endpoint(_revoke, Bounds(Sender.CLIENT, MAX_FORM_BYTES, _FORM_FIRST, 5))
