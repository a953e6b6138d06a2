"""``GET /oauth/status/{n}``, a Token Status List, and ``GET /oauth/status``, the addresses of all lists. Public."""

import asyncio
import re
import time

import msgspec

from keys.validation.store.database import DEADLINE_S
from oauth.endpoints.oauth_endpoint import oauth_endpoint
from oauth.endpoints.wiring import server
from oauth.keyring import NoSigningKey
from oauth.protocol.status_list import AGGREGATION_PATH
from oauth.status_lists import TYPE, address_of
from portal.edge.bounds import PUBLIC_DOCUMENT
from portal.edge.endpoint import Answer, Request, require_get, unavailable
from portal.edge.negotiation import is_known, takes_gzip
from portal.edge.problems import Problem, ProblemType

# Caches may store a list, but must revalidate it on each use: else a revocation would show only once they expire.
CACHE_CONTROL = "public, no-cache"
_PATH = re.compile(rf"{AGGREGATION_PATH}/([1-9][0-9]{{0,8}})", re.ASCII)
_FOR_ANYBODY = (("access-control-allow-origin", "*"),)


async def _status_list(request: Request) -> Answer:
    require_get(request)
    match = _PATH.fullmatch(request.path)
    if match is None or b"time=" in request.query:  # no history is kept (Token Status List, "Historical Resolution")
        raise _nothing_here()
    now, deadline = time.time(), asyncio.get_running_loop().time() + DEADLINE_S
    try:
        served = await server().lists.get(int(match[1]), now=now, deadline=deadline)
    except NoSigningKey:
        raise unavailable() from None
    if served is None:
        raise _nothing_here()
    headers = (("etag", served.etag), ("vary", "accept-encoding"), *_FOR_ANYBODY)
    status = 304 if is_known(served.etag, request.headers(b"if-none-match")) else 200
    if takes_gzip(request.headers(b"accept-encoding")):
        gzipped = (("content-encoding", "gzip"), *headers)
        return Answer(served.gzipped, status, f"application/{TYPE}", gzipped, cache_control=CACHE_CONTROL)
    return Answer(served.text, status, f"application/{TYPE}", headers, cache_control=CACHE_CONTROL)


async def _aggregation(request: Request) -> Answer:
    require_get(request)
    numbers = await server().lists.numbers(deadline=asyncio.get_running_loop().time() + DEADLINE_S)
    body = msgspec.json.encode({"status_lists": [address_of(number) for number in sorted(numbers)]})
    return Answer(body, headers=_FOR_ANYBODY, cache_control=CACHE_CONTROL)


def _nothing_here() -> Problem:
    return Problem(ProblemType.NOT_FOUND, "There is no such status list.")


status_list = oauth_endpoint(_status_list, PUBLIC_DOCUMENT)
aggregation = oauth_endpoint(_aggregation, PUBLIC_DOCUMENT)
