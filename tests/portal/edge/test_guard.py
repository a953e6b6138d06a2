"""What stands between the server and Django: whole requests in, whole answers out."""

import asyncio
from collections.abc import Callable

import pytest

from portal.edge import not_before
from portal.edge.guard import guard
from portal.edge.request_body import FREE_PIECES, Message, Receive, Scope, Send
from tests.support.asgi import Reply, ask

MAX_BYTES = 100


class Page:
    """An app that remembers what it was asked and answers in pieces."""

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer ``ab``."""
        assert asyncio.iscoroutinefunction(receive)  # a2wsgi hands it to another thread
        message = await receive()
        assert message["more_body"] is False
        self.scope, self.body = scope, message["body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for piece in (b"a", b"b", b""):
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    def headers(self, name: bytes) -> list[bytes]:
        """The header's lines, as they came in."""
        return [value for each, value in self.scope["headers"] if each == name]


@pytest.fixture
def page() -> Page:
    return Page()


def ask_guarded(page: Page, **more: object) -> Reply:
    return ask(guard(page, max_bytes=lambda _: MAX_BYTES), "POST", **more)  # type: ignore[arg-type]


def test_an_answer_in_pieces_is_sent_whole(page: Page) -> None:
    reply = ask_guarded(page)
    assert (reply.status, reply.body, reply["content-type"]) == (200, b"ab", "text/plain")


@pytest.mark.parametrize("body", [b"a=b", [b"a", b"=b"], [b"a=b", b""], [b"", b"a=b"]])
def test_a_body_arrives_whole_with_its_length(page: Page, body: bytes | list[bytes]) -> None:
    ask_guarded(page, body=body, headers=[("transfer-encoding", "chunked")])
    assert page.body == b"a=b"
    assert page.headers(b"content-length") == [b"3"]
    assert page.headers(b"transfer-encoding") == []


def test_a_header_with_an_underscore_is_dropped(page: Page) -> None:
    ask_guarded(page, headers=[("x_forwarded_for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9")])
    assert page.headers(b"x-forwarded-for") == [b"203.0.113.9"]
    assert page.headers(b"x_forwarded_for") == []


def test_cookies_are_joined_as_cookies_are(page: Page) -> None:
    ask_guarded(page, headers=[("cookie", "a=1"), ("cookie", "b=2")])
    assert page.headers(b"cookie") == [b"a=1; b=2"]


def test_a_query_beyond_ascii_is_percent_encoded(page: Page) -> None:
    ask_guarded(page, query=b"q=\xff&r=%20+")
    assert page.scope["query_string"] == b"q=%FF&r=%20+"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; charset=undefined",
        "text/plain; charset=base64",
        "application/x-www-form-urlencoded;charset=latin-1",
        "text/plain; charset*=undefined''utf-8",
        "multipart/form-data; boundary*=undefined''a",
        "text/plain; charset=utf-8; charset=utf-16",
    ],
)
def test_another_encoding_than_utf_8_is_refused_without_asking_django(page: Page, content_type: str) -> None:
    assert ask_guarded(page, headers=[("content-type", content_type)]).status == 415
    assert page.scope == {}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "text/plain; charset=UTF-8", 'text/plain; charset="utf8"; format=flowed']
)
def test_utf_8_may_be_named(page: Page, content_type: str) -> None:
    assert ask_guarded(page, headers=[("content-type", content_type)]).status == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"x" * 101, []), ([b"x" * 60, b"x" * 60], []), (b"", [("content-length", "101")])],
)
def test_too_large_a_body_is_refused_without_asking_django(
    page: Page, body: bytes | list[bytes], headers: list[tuple[str, str]]
) -> None:
    reply = ask_guarded(page, body=body, headers=headers)
    assert (reply.status, page.scope) == (413, {})
    assert reply["x-request-id"].startswith("req_")


def test_the_largest_body_is_read(page: Page) -> None:
    assert ask_guarded(page, body=b"x" * 100).status == 200


def test_a_stalled_upload_is_given_up(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.edge.request_body.READ_WITHIN_S", 0.01)
    assert ask_guarded(page, body=[]).status == 408
    assert page.scope == {}


def test_a_body_in_many_small_pieces_is_refused_without_asking_django(page: Page) -> None:
    reply = ask_guarded(page, body=[b"x"] * (FREE_PIECES + 1))
    assert (reply.status, page.scope) == (400, {})


def test_a_request_that_breaks_off_is_a_400(page: Page) -> None:
    sent: list[Message] = []

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    asyncio.run(guard(page, max_bytes=lambda _: MAX_BYTES)(scope, gone, keep))
    assert (sent[0]["status"], page.scope) == (400, {})


def test_a_handler_that_breaks_is_a_plain_500() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("inside")

    reply = ask(guard(broken, max_bytes=lambda _: MAX_BYTES))
    assert reply.status == 500
    assert b"inside" not in reply.body


def test_an_answer_waits_for_its_instant_on_no_thread_and_the_header_stays_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        named = (b"x-latchkey-not-before", not_before.instant(1000.0).encode())
        await send({"type": "http.response.start", "status": 302, "headers": [named, (b"location", b"/")]})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr("portal.edge.not_before.asyncio.sleep", sleep)
    monkeypatch.setattr("portal.edge.not_before.time.monotonic", lambda: 1000.1)
    headers = asyncio.run(not_before.reached([(b"x-latchkey-not-before", not_before.instant(1000.0).encode())]))
    assert headers == []
    assert waited == [pytest.approx(not_before.AFTER_S - 0.1)]
    monkeypatch.undo()
    assert ask(guard(app, max_bytes=lambda _: MAX_BYTES), "POST").headers == [("location", "/")]


def test_without_an_event_loop_the_header_stays_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def app(_environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("302 Found", [("X-Latchkey-Not-Before", not_before.instant(0.0)), ("Location", "/")])
        return [b""]

    started: list[object] = []
    not_before.wsgi(app)({}, lambda *args: started.append(args))
    assert started == [("302 Found", [("Location", "/")])]
