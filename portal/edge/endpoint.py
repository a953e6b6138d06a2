"""One request and its response on a machine endpoint: headers, client address, https, errors. ASGI, no Django views.

``endpoint`` makes an ASGI app from a handler and its declared bounds. A Problem that the handler raises becomes an
error response, and any other exception becomes a 503: a failure is never taken for a success.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from portal.edge import problems
from portal.edge.bounds import Bounds, PlainHttp
from portal.edge.byte_budget import OverBudget
from portal.edge.problems import JSON, Problem, ProblemType
from portal.edge.proxies import client_address, is_https, is_within
from portal.edge.request_body import ClientGone, Receive, Scope, Send, TooLarge, TooManyPieces, TooSlow, read_body
from portal.edge.request_ids import request_id
from portal.edge.sending import PIECE_BYTES, ReaderTooSlow, send_large
from portal.edge.settings import edge_settings

MAX_AT_WORK = 1_000
TOLD_TO_WAIT_S = 0.25  # how long a 429 response is delayed
MAX_AGENT_BYTES = 512

_NOSNIFF = (b"x-content-type-options", b"nosniff")

log = logging.getLogger(__name__)


class Answer(Struct, frozen=True):
    """A response to send."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    cache_control: str = "no-store"


class Request:
    """One HTTP request as a machine endpoint sees it."""

    __slots__ = ("_address", "_bounds", "_by_name", "_receive", "_scope", "method", "path", "query", "request_id")

    def __init__(self, scope: Scope, receive: Receive, bounds: Bounds) -> None:
        self._scope = scope
        self._bounds = bounds
        self._receive = receive
        self._address: str | None = None
        self._by_name: dict[bytes, bytes] = dict(scope["headers"])  # of a repeated header, the last line
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.request_id = request_id(self.header(b"x-request-id") if b"x-request-id" in self._by_name else None)

    def headers(self, name: bytes) -> list[str]:
        """Return the header's lines, in order; ``name`` is lower case."""
        value = self._by_name.get(name)
        if value is None:
            return []
        if len(self._by_name) == len(self._scope["headers"]):
            return [value.decode("latin-1")]
        return [value.decode("latin-1") for each, value in self._scope["headers"] if each == name]

    def header(self, name: bytes) -> str | None:
        """Return the header's value if the header occurs exactly once, else None; ``name`` is lower case."""
        lines = self.headers(name)
        return lines[0] if len(lines) == 1 else None

    @property
    def client_address(self) -> str | None:
        """Return the client's address, as far as trusted proxies report it."""
        if self._address is None:
            trusted = edge_settings().trusted_proxies
            self._address = client_address(self._peer, self.headers(b"x-forwarded-for") if trusted else (), trusted)
        return self._address

    @property
    def agent(self) -> bytes | None:
        """Return the first 512 bytes of the User-Agent header."""
        agent = self._by_name.get(b"user-agent")
        return agent and agent[:MAX_AGENT_BYTES]

    @property
    def is_https(self) -> bool:
        """Return True if the client used https."""
        proto = self.headers(b"x-forwarded-proto")
        trusted = edge_settings().trusted_proxies
        return is_https(self._scope["scheme"], self._peer, ",".join(proto) if proto else None, trusted)

    @property
    def is_from_inside(self) -> bool:
        """Return True if the peer itself sent the request and its address is in a network named by the settings.

        A request with a forwarding header was sent on behalf of another client, so it does not count.
        """
        is_forwarded = b"x-forwarded-proto" in self._by_name or b"x-forwarded-for" in self._by_name
        return not is_forwarded and is_within(self._peer, edge_settings().inside)

    def is_of(self, media_type: str) -> bool:
        """Return True if the body is declared with this media type and without compression.

        The charset is ignored: the bytes are decoded as UTF-8 or refused.
        """
        by_name = self._by_name
        is_single = len(by_name) == len(self._scope["headers"])
        if is_single and by_name.get(b"content-type") == media_type.encode() and b"content-encoding" not in by_name:
            return True
        content_type = (self.header(b"content-type") or "").partition(";")[0].strip().lower()
        is_plain = all(encoding.lower() == "identity" for encoding in self.headers(b"content-encoding"))
        return content_type == media_type and is_plain

    async def body(self) -> bytes:
        """Return the whole body; raise Problem if it is too large, too slow, in too many pieces or incomplete."""
        declared, max_bytes = self._by_name.get(b"content-length"), self._bounds.max_bytes
        AT_WORK.number -= 1  # a request that waits for its body is not at work
        try:
            body = await read_body(self._receive, declared=declared, max_bytes=max_bytes, address=self.client_address)
        except TooLarge:
            raise Problem(ProblemType.TOO_LARGE, f"At most {max_bytes} bytes are read.") from None
        except TooSlow:
            raise Problem(ProblemType.TOO_SLOW, "The body did not arrive within 10 seconds.") from None
        except TooManyPieces:
            raise Problem(ProblemType.MALFORMED_REQUEST, "The body comes in too many small pieces.") from None
        except ClientGone:
            raise Problem(ProblemType.MALFORMED_REQUEST, "The body broke off, or is not well chunked.") from None
        except OverBudget:
            raise unavailable() from None
        finally:
            AT_WORK.number += 1
        if AT_WORK.number > MAX_AT_WORK:
            _require_room(self._bounds)
        return body

    @property
    def _peer(self) -> str | None:
        client = self._scope.get("client")
        return client[0] if client else None


Handler = Callable[[Request], Awaitable[Answer]]


class _AtWork:
    """The number of requests that this process works on.

    It excludes requests whose body is still arriving, and responses that clients are still reading.
    """

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


AT_WORK = _AtWork()


class Endpoint:
    """A handler as an ASGI app: a Problem becomes its error response, any other exception a 503."""

    __slots__ = ("_handler", "bounds")

    def __init__(self, handler: Handler, bounds: Bounds) -> None:
        self._handler = handler
        self.bounds = bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self.bounds)
        AT_WORK.number += 1
        try:
            if AT_WORK.number > MAX_AT_WORK:
                _require_room(self.bounds)
            _require_https(request, self.bounds.plain_http)
            answer = await self._handler(request)
        except Problem as problem:
            answer = answer_problem(problem, request)
        except Exception:  # no failure may let a request through, whatever its cause
            log.exception("request.failed", extra={"request_id": request.request_id, "path": request.path})
            answer = answer_problem(unavailable(), request)
        finally:
            AT_WORK.number -= 1
        if answer.status == 429:
            await asyncio.sleep(TOLD_TO_WAIT_S)  # a client that repeats at once would use up the event loop's time
        try:
            await send_answer(answer, request, send)
        except OverBudget:
            await send_answer(answer_problem(unavailable(), request), request, send)
        except ReaderTooSlow:
            log.info("answer.given_up", extra={"request_id": request.request_id})


def endpoint(handler: Handler, bounds: Bounds) -> Endpoint:
    """Return the handler as an ASGI app with these bounds."""
    return Endpoint(handler, bounds)


def _require_room(bounds: Bounds) -> None:
    """Raise the 503 of an overloaded process; health probes are still answered."""
    if bounds.plain_http is not PlainHttp.ANYWHERE:
        raise unavailable()


def _require_https(request: Request, plain_http: PlainHttp) -> None:
    if not edge_settings().is_https or request.is_https or plain_http is PlainHttp.ANYWHERE:
        return
    if plain_http is not PlainHttp.INSIDE or not request.is_from_inside:
        raise Problem(ProblemType.HTTPS_REQUIRED, "Use https; a credential sent without it is to be replaced.")


def require_get(request: Request) -> None:
    """Raise a 405 Problem unless the method is GET or HEAD."""
    if request.method not in {"GET", "HEAD"}:
        raise Problem(ProblemType.METHOD_NOT_ALLOWED, "Use GET or HEAD.", headers=(("allow", "GET, HEAD"),))


def unavailable() -> Problem:
    """Return the 503 Problem that asks the client to retry after a second."""
    return Problem(ProblemType.UNAVAILABLE, "Try again in a second.", headers=(("retry-after", "1"),))


def answer_problem(problem: Problem, request: Request) -> Answer:
    """Return the problem as a response: OAuth's error format under ``/oauth/``, problem details elsewhere."""
    if request.path.startswith(problems.OAUTH_PREFIX):
        return Answer(problem.oauth_body(), problem.kind.status, JSON, problem.headers)
    return Answer(problem.body(request.request_id), problem.kind.status, problems.CONTENT_TYPE, problem.headers)


async def send_answer(answer: Answer, request: Request, send: Send) -> None:
    """Send the response with the headers that every machine response has; a HEAD or a 304 gets no body."""
    headers = [
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request.request_id.encode()),
        (b"content-type", answer.content_type.encode()),
        (b"cache-control", answer.cache_control.encode()),
        _NOSNIFF,
    ]
    if answer.headers:
        headers += [(name.encode(), value.encode()) for name, value in answer.headers]
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    is_bare = request.method == "HEAD" or answer.status == 304
    body = b"" if is_bare else answer.body
    if len(body) > PIECE_BYTES:
        await send_large(start, body, send, address=request.client_address)
    else:
        await send(start)
        await send({"type": "http.response.body", "body": body})
