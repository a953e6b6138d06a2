"""Connect the event loop to Redis: connections that know their server's run, scripts, deadlines. No protocol."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha1
from importlib import resources
from typing import Any

from django.conf import settings
from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from keys.validation.types import Limits

PREFIX = "latchkey:"
REGISTER = f"{PREFIX}register"
CHANNEL = f"{PREFIX}invalidations"
CONNECT_WITHIN_S = 0.25
MAX_CONNECTIONS = 16
A_ROUND_S = 0.001  # uvloop counts milliseconds


class RedisDown(Exception):
    """Redis did not answer in time, or could not be reached."""


class Script:
    """One of our Lua scripts, with its SHA-1 for EVALSHA."""

    def __init__(self, name: str, package: str = "keys.validation") -> None:
        self.text = resources.files(package).joinpath("lua", f"{name}.lua").read_bytes()
        self.sha = sha1(self.text, usedforsecurity=False).hexdigest()


@cache
def script(name: str, package: str = "keys.validation") -> Script:
    """Return the script ``lua/<name>.lua`` of the package.

    Without the cache, a validation from Redis would read the file, and take 9 % more CPU time (``make bench``).
    """
    return Script(name, package)


def copy_keys(names: Sequence[str]) -> list[str]:
    """List the Redis keys of each name: its shared copy, then its fill token."""
    return [key for name in names for key in (f"{PREFIX}copy:{name}", f"{PREFIX}token:{name}")]


def bucket_keys(limits: Limits) -> list[str]:
    """List the Redis keys of the buckets, one per limit.

    The braces keep all buckets of an organization on one node of a Redis cluster.
    """
    start = f"{PREFIX}limit:{{{limits.organization_id}}}:"
    return [f"{start}{limit.owner}:{limit.limit}/{limit.window_s}" for limit in limits.each]


def acknowledgements_key(message_id: str) -> str:
    """Return the Redis key of the list in which processes acknowledge a message."""
    return f"{PREFIX}heard:{message_id}"


def run_of(info: bytes) -> bytes:
    """Identify one run of one server, by ``run_id`` and ``master_replid`` of its INFO."""
    fields = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    return fields[b"run_id"] + fields[b"master_replid"]


def new_connection() -> Any:
    """Create a connection that does nothing by itself: no retry, no reconnect, no health check.

    It reads its server's ``run`` once, when it connects: after a reconnect there may be another server behind the
    address.
    """
    options: dict[str, Any] = dict(parse_url(settings.REDIS_URL))
    kind = options.pop("connection_class", Connection)
    options |= {  # overrides options from the URL's query
        "socket_connect_timeout": CONNECT_WITHIN_S,
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "redis_connect_func": _greet,
        "driver_info": None,  # this and the next would each send a command before our first
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    return kind(**options)


async def _greet(connection: Any) -> None:
    await connection.on_connect()
    for section in ("server", "replication"):
        await connection.send_command("INFO", section)
    info = [await connection.read_response(disable_decoding=True) for _ in range(2)]
    connection.run = run_of(b"".join(info))


class Link:
    """Runs scripts in Redis over a few connections of its own; each call has a deadline, which includes connecting."""

    def __init__(self) -> None:
        self._idle: list[Any] = []
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def run_script(
        self, script: Script, keys: Sequence[str], *arguments: Any, within_s: float, with_run: bool = False
    ) -> tuple[bytes, Any]:
        """Run the script; returns the run of the server that answered, and the script's result.

        ``with_run`` passes that run to the script as its last argument. Raises RedisDown.
        """
        try:
            async with _within(within_s), self._free:
                return await self._run(script, keys, arguments, with_run=with_run)
        except (RedisError, OSError, TimeoutError, KeyError) as exc:
            await self.close()  # when one connection fails, the others will fail too
            raise RedisDown(type(exc).__name__) from exc

    async def _run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Any], *, with_run: bool
    ) -> tuple[bytes, Any]:
        connection = self._idle.pop() if self._idle else new_connection()
        is_done = False
        try:
            await connection.connect()
            rest = (*arguments, connection.run) if with_run else arguments
            answer = await _evaluate(connection, script, keys, rest)
            is_done = True
        finally:
            if is_done:
                self._idle.append(connection)
            else:  # its late response must not be read as another call's
                await connection.disconnect(nowait=True)
        return connection.run, answer

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Set a deadline that takes effect only after the loop has read its sockets again.

    A response that has arrived by then is not late: the loop was. It must not count as an outage of Redis.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def read_again() -> None:
        # uvloop may call a timer before it reads. It reads before it calls a timer that is set now, and ``reschedule``
        # lets the tasks run first that wait for what was read.
        timers.append(loop.call_later(A_ROUND_S, deadline.reschedule, 0.0))

    async with asyncio.timeout(None) as deadline:
        timers.append(loop.call_later(seconds, read_again))
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()


async def _evaluate(connection: Any, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    await connection.send_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
    try:
        return await connection.read_response(disable_decoding=True)
    except NoScriptError:
        await connection.send_command("EVAL", script.text, len(keys), *keys, *arguments)
        return await connection.read_response(disable_decoding=True)
