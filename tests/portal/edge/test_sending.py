"""Answers that clients read slowly, or not at all: they hold no thread, few bytes, and not for long."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from a2wsgi import WSGIMiddleware
from django.http import HttpResponse, StreamingHttpResponse

from portal.edge import sending
from portal.edge.byte_budget import BUDGET, SHARE_BYTES
from portal.edge.guard import guard, leave_streams
from portal.edge.request_body import AsgiApp, Message
from tests.support.asgi import ask

PIECE = b"x" * sending.PIECE_BYTES


class Pieces:
    """A streaming answer that counts what was made of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.made = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Make the pieces."""
        for _ in range(self.number):
            self.made += 1
            yield PIECE

    def close(self) -> None:
        """Django calls it at the end."""
        self.is_closed = True


def streaming(pieces: Pieces) -> AsgiApp:
    """An app whose one page is these pieces."""
    return app_of(lambda: StreamingHttpResponse(pieces))


def app_of(respond: Callable[[], HttpResponse | StreamingHttpResponse]) -> AsgiApp:
    """A guarded app with one page, as Django's handler would answer it."""

    def wsgi(environ: Any, start_response: Any) -> Any:
        response = respond()
        start_response("200 OK", list(response.items()))
        return response

    mounted: Any = WSGIMiddleware(leave_streams(wsgi))
    return guard(mounted, max_bytes=lambda _: 100)


async def read(app: AsgiApp, take: Callable[[Message], Any], *, goes_away: asyncio.Event | None = None) -> None:
    """Ask for the page; ``take`` is awaited for each message that is sent, until the client goes away."""
    messages: list[Message] = [{"type": "http.request", "body": b""}]

    async def receive() -> Message:
        if not messages:
            await (goes_away or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        return messages.pop()

    async def send(message: Message) -> None:
        await take(message)

    scope = {
        "type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1",
        "client": ("203.0.113.7", 1),
    }  # fmt: skip
    await app(scope, receive, send)


async def never(message: Message) -> None:
    """A client that reads the start of an answer and nothing else."""
    if message["type"] == "http.response.body":
        await asyncio.Event().wait()


def test_a_streaming_answer_arrives_whole() -> None:
    pieces = Pieces(5)
    reply = ask(streaming(pieces))
    assert (reply.status, reply.body) == (200, PIECE * 5)
    assert pieces.is_closed


def test_a_streaming_answer_is_made_no_faster_than_it_is_read() -> None:
    pieces, read_so_far = Pieces(5), []

    async def take(message: Message) -> None:
        read_so_far.append(pieces.made)

    asyncio.run(read(streaming(pieces), take))
    assert read_so_far == [0, 1, 2, 3, 4, 5, 5]


def test_a_stream_that_nobody_reads_is_given_up_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PIECE_WITHIN_S", 0.01)
    pieces = Pieces(5)
    asyncio.run(read(streaming(pieces), never))
    assert (pieces.made, pieces.is_closed) == (1, True)


def test_a_stream_whose_client_is_gone_before_it_begins_is_closed() -> None:
    async def gone(_message: Message) -> None:
        raise OSError("the connection is gone")

    pieces = Pieces(5)
    asyncio.run(read(streaming(pieces), gone))
    assert (pieces.made, pieces.is_closed) == (0, True)


def test_a_stream_that_is_read_for_too_long_is_given_up_without_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "STREAM_WITHIN_S", -1)
    pieces = Pieces(5)
    reply = ask(streaming(pieces))
    assert (reply.body, pieces.is_closed) == (PIECE, True)


def test_a_stream_that_ends_before_its_first_piece_is_asked_for_is_closed() -> None:
    async def gone(_message: Message) -> None:
        raise ConnectionError

    pieces = Pieces(5)
    asyncio.run(read(streaming(pieces), gone))
    assert (pieces.made, pieces.is_closed) == (0, True)


def test_a_stream_whose_client_has_gone_is_given_up_and_closed() -> None:
    pieces, goes_away = Pieces(5), asyncio.Event()

    async def take(message: Message) -> None:
        if message["type"] == "http.response.body":
            goes_away.set()
            await asyncio.sleep(0)

    asyncio.run(read(streaming(pieces), take, goes_away=goes_away))
    assert pieces.made < 5
    assert pieces.is_closed


def test_a_stream_that_breaks_ends_without_its_end() -> None:
    ended: list[bool] = []

    def broken() -> Iterator[bytes]:
        yield PIECE
        raise RuntimeError("inside")

    async def take(message: Message) -> None:
        ended.append(message["type"] == "http.response.body" and not message.get("more_body", False))

    asyncio.run(read(app_of(lambda: StreamingHttpResponse(broken())), take))
    assert ended == [False, False]


def test_a_head_of_a_stream_makes_none_of_it() -> None:
    pieces = Pieces(5)
    assert ask(streaming(pieces), "HEAD").body == b""
    assert (pieces.made, pieces.is_closed) == (0, True)


def test_a_large_answer_is_sent_in_pieces_and_counted_until_it_is_read() -> None:
    held: list[int] = []

    async def take(message: Message) -> None:
        held.append(BUDGET.held)

    asyncio.run(read(app_of(lambda: HttpResponse(PIECE * 3)), take))
    assert held[0] == 3 * len(PIECE)
    assert len(held) == 5
    assert BUDGET.held == 0


def test_a_large_answer_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PIECE_WITHIN_S", 0.01)
    asyncio.run(read(app_of(lambda: HttpResponse(PIECE * 3)), never))
    assert BUDGET.held == 0


def test_a_client_whose_share_of_unread_answers_is_used_up_is_asked_to_come_back() -> None:
    app = app_of(lambda: HttpResponse(PIECE * 3))
    BUDGET.take("203.0.113.7", SHARE_BYTES)
    try:
        assert ask(app, peer="203.0.113.8").status == 200
        reply = ask(app, peer="203.0.113.7")
    finally:
        BUDGET.give_back("203.0.113.7", SHARE_BYTES)
    assert (reply.status, reply["retry-after"]) == (503, "2")
