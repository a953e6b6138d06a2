"""The deadline of a call to Redis, on each event loop that serves."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from keys.validation.store.redis_link import _within

WITHIN_S, HELD_UP_S = 0.05, 0.1
Hold = Callable[[], None]


def in_a_callback(hold: Hold) -> None:
    asyncio.get_running_loop().call_soon(hold)


def in_a_timer(hold: Hold) -> None:
    asyncio.get_running_loop().call_later(WITHIN_S / 2, hold)


def in_a_timer_that_ends_with_the_deadline(hold: Hold) -> None:
    asyncio.get_running_loop().call_later(WITHIN_S, hold)


def where_another_socket_is_read(hold: Hold) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()

    def read() -> None:
        loop.remove_reader(ours)
        ours.close()
        theirs.close()
        hold()

    loop.add_reader(ours, read)
    theirs.send(b"x")


@pytest.mark.usefixtures("event_loop")
@pytest.mark.parametrize(
    "hold_up",
    [in_a_callback, in_a_timer, in_a_timer_that_ends_with_the_deadline, where_another_socket_is_read],
)
def test_a_reply_that_came_while_the_loop_was_held_up_is_not_late(hold_up: Callable[[Hold], None]) -> None:
    async def story() -> bytes:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)

        def hold() -> None:
            theirs.send(b"reply\n")
            time.sleep(HELD_UP_S)

        hold_up(hold)
        with theirs:
            async with _within(WITHIN_S):
                reply = await reader.readline()
        writer.close()
        return reply

    assert asyncio.run(story()) == b"reply\n"


@pytest.mark.usefixtures("event_loop")
def test_a_reply_that_does_not_come_is_late_and_one_in_time_leaves_no_timer() -> None:
    async def story() -> None:
        async with _within(WITHIN_S):
            pass
        with pytest.raises(TimeoutError):
            async with _within(WITHIN_S):
                await asyncio.Event().wait()
        await asyncio.sleep(WITHIN_S)  # a timer that was left would raise here

    asyncio.run(story())
