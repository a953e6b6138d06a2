"""What the OAuth endpoints share: a form is read strictly, and every refusal is answered as RFC 6749 §5.2 says."""

from keys.validation.store.database import Unavailable
from oauth.protocol.errors import InvalidRequest, OAuthError
from oauth.protocol.form_body import MEDIA_TYPE, Form, read_form
from portal.edge.bounds import Bounds
from portal.edge.endpoint import Answer, Endpoint, Exchange, Handler, endpoint, unavailable
from portal.edge.problems import Problem, ProblemType, oauth_error

PRAGMA = (("pragma", "no-cache"),)  # RFC 6749 §5.1 asks for it beside no-store


def oauth_endpoint(handler: Handler, bounds: Bounds) -> Endpoint:
    """The handler as an ASGI app that answers OAuthError, and 503 where no answer can be given now."""

    async def handle(exchange: Exchange) -> Answer:
        try:
            return await handler(exchange)
        except OAuthError as refusal:
            body = oauth_error(refusal.error, refusal.description)
            return Answer(body, refusal.status, headers=PRAGMA + refusal.headers)
        except Unavailable:
            raise unavailable() from None

    return endpoint(handle, bounds)


async def read_post(exchange: Exchange) -> Form:
    """The form that was posted; raises InvalidRequest, or Problem for another method or too large a body."""
    return read_form(await read_form_body(exchange))


async def read_form_body(exchange: Exchange) -> bytes:
    """The body of a form that was posted, unread; raises as ``read_post`` does."""
    if exchange.method != "POST":
        raise Problem(ProblemType.METHOD_NOT_ALLOWED, "Use POST.", headers=(("allow", "POST"),))
    if exchange.query:
        raise InvalidRequest("Send everything in the form, nothing in the address: credentials above all.")
    if not exchange.is_of(MEDIA_TYPE):
        raise InvalidRequest("Send application/x-www-form-urlencoded in UTF-8, not compressed.")
    return await exchange.body()
