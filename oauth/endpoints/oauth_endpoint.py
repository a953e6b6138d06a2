"""Shared by the OAuth endpoints: strict reading of forms, and error responses as in RFC 6749 §5.2."""

from keys.validation.store.database import Unavailable
from oauth.protocol.errors import InvalidRequest, OAuthError
from oauth.protocol.form_body import MEDIA_TYPE, Form, read_form
from portal.edge.bounds import Bounds
from portal.edge.endpoint import Answer, Endpoint, Handler, Request, endpoint, unavailable
from portal.edge.problems import Problem, ProblemType, oauth_error

PRAGMA = (("pragma", "no-cache"),)  # RFC 6749 §5.1 requires it in addition to no-store


def oauth_endpoint(handler: Handler, bounds: Bounds) -> Endpoint:
    """The handler as an ASGI app: OAuthError becomes its error response, Unavailable a 503."""

    async def handle(request: Request) -> Answer:
        try:
            return await handler(request)
        except OAuthError as refusal:
            body = oauth_error(refusal.error, refusal.description)
            return Answer(body, refusal.status, headers=PRAGMA + refusal.headers)
        except Unavailable:
            raise unavailable() from None

    return endpoint(handle, bounds)


async def read_post(request: Request) -> Form:
    """The posted form; raises InvalidRequest, or Problem for another method or too large a body."""
    return read_form(await read_form_body(request))


async def read_form_body(request: Request) -> bytes:
    """The posted form's body, not yet parsed; raises like ``read_post``."""
    if request.method != "POST":
        raise Problem(ProblemType.METHOD_NOT_ALLOWED, "Use POST.", headers=(("allow", "POST"),))
    if request.query:
        raise InvalidRequest("Send everything in the form, nothing in the address: credentials above all.")
    if not request.is_of(MEDIA_TYPE):
        raise InvalidRequest("Send application/x-www-form-urlencoded in UTF-8, not compressed.")
    return await request.body()
