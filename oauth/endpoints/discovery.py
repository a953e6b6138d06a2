"""Public documents: the JWK Set that verifies tokens (RFC 7517) and the server's metadata (RFC 8414)."""

from hashlib import sha256

from django.conf import settings

from keys.validation.store.database import Unavailable
from oauth.endpoints.wiring import server
from oauth.protocol.key_rotation import JWKS_MAX_AGE_S
from oauth.protocol.metadata import document
from portal.edge.bounds import PUBLIC_DOCUMENT
from portal.edge.endpoint import Answer, Request, endpoint, require_get, unavailable
from portal.edge.negotiation import is_known
from portal.edge.problems import JSON

JWK_SET = "application/jwk-set+json"
CACHE_CONTROL = f"public, max-age={JWKS_MAX_AGE_S}"


async def _jwks(request: Request) -> Answer:
    require_get(request)
    try:
        return _kept(request, await server().published.jwks(), JWK_SET)
    except Unavailable:
        raise unavailable() from None


async def _metadata(request: Request) -> Answer:
    require_get(request)
    return _kept(request, document(settings.PUBLIC_URL), JSON)


def _kept(request: Request, body: bytes, content_type: str) -> Answer:
    """A public, cacheable response; 304 if the request's ``If-None-Match`` has the ETag (RFC 9110 §13.1.2)."""
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = (("etag", etag), ("access-control-allow-origin", "*"))
    if is_known(etag, request.headers(b"if-none-match")):
        return Answer(b"", 304, content_type, headers, CACHE_CONTROL)
    return Answer(body, 200, content_type, headers, CACHE_CONTROL)


jwks = endpoint(_jwks, PUBLIC_DOCUMENT)
metadata = endpoint(_metadata, PUBLIC_DOCUMENT)
