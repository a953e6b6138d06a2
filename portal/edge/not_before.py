"""Delay the responses to certain forms to a fixed time, so that no timing reveals whether an address is known.

Django's response names the instant in a header. The guard removes the header and waits on the event loop, so that no
thread sleeps meanwhile.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

HEADER: Final = "X-Latchkey-Not-Before"
AFTER_S: Final = 0.5  # longer than the slowest of these pages takes when two cores are busy
MAX_WAIT_S: Final = 1.0
# Pages that do different work for an address that has an account.
PAGES: Final = frozenset(
    {
        "account_email",
        "account_email_verification_sent",
        "account_login",
        "account_reset_password",
        "account_signup",
        "account_signup_by_passkey",
    }
)
Headers = list[tuple[bytes, bytes]]


def instant(began: float) -> str:
    """Return the header's value for a request that began at ``began`` on the monotonic clock."""
    return f"{began + AFTER_S:.6f}"


async def reached(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Wait until the header's instant, then return the headers without it."""
    others, wait_s = _without_ours([(name, value) for name, value in headers])
    if wait_s > 0:
        await asyncio.sleep(wait_s)
    return others


def wsgi(app: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the app for servers without an event loop: the request's own thread waits."""

    def waiting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *args: Any) -> Any:
            pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            others, wait_s = _without_ours(pairs)
            if wait_s > 0:
                time.sleep(wait_s)
            decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in others]
            return start_response(status, decoded, *args)

        return app(environ, start)

    return waiting


def _without_ours(headers: Headers) -> tuple[Headers, float]:
    ours = HEADER.lower().encode()
    instants = [float(value) for name, value in headers if name.lower() == ours]
    others = [(name, value) for name, value in headers if name.lower() != ours]
    return others, min(max(instants, default=0.0) - time.monotonic(), MAX_WAIT_S)
