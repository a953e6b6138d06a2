"""Measure what each cache of the hot path saves: one server is asked with the cache and without it, in turn.

The server runs ``application``: the portal's, and an address that switches one cache off. One process is asked all the
time, so that nothing else differs.
"""

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from pkgutil import resolve_name
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx

from portal.edge.request_body import Receive, Scope, Send
from tests.bench.measure import Target, measure, say

APPLICATION = f"{__name__}:application"
CONNECTIONS = 16
ROUNDS = 20
SWITCH = "/_without/"
WARM, NETWORKS, TOKEN, ISSUED = "warm validate", "warm, with networks", "warm, a token", "a token issued"
UNKNOWN, SHARED, DATABASE = "an unknown key", "from Redis", "without Redis"
UNCACHED = object()  # the cached function itself, without its cache


class Cache(NamedTuple):
    """A cache, the lines that it is for, and what takes the place of which objects to do without it."""

    name: str
    lines: tuple[str, ...]
    replaced: Mapping[str, object]


def _nothing(*_: object) -> None:
    return None


CACHES = (
    Cache("credentials", (WARM, TOKEN), {"keys.validation.credential_cache._CACHE.get": _nothing}),
    Cache(
        "allowed verdicts",
        (WARM, TOKEN),
        {
            "keys.validation.credential_cache.CachedVerdict.applies_to": _nothing,
            "keys.validation.api_keys.ResolvedApiKey.reusable": None,
            "oauth.access_tokens.ResolvedAccessToken.reusable": None,
        },
    ),
    Cache(
        "names to prefetch",
        (DATABASE,),
        {"keys.validation.credential_cache.CachedCredential.lookup_names": lambda self, _: self._parsed.names},
    ),
    Cache("API secrets", (WARM,), {"keys.validation.api_keys._CACHE.get": _nothing}),
    Cache("canonical addresses", (WARM,), {"portal.edge.proxies._canonical": UNCACHED}),
    Cache(
        "settings of the edge",
        (WARM,),
        {"portal.edge.settings.edge_settings": UNCACHED, "portal.edge.endpoint.edge_settings": UNCACHED},
    ),
    Cache("parsed addresses", (NETWORKS,), {"keys.validation.verdict.parse_address": UNCACHED}),
    Cache("parsed networks", (NETWORKS,), {"keys.validation.verdict._parsed": UNCACHED}),
    Cache(
        "keyrings",
        (TOKEN, ISSUED),
        {"oauth.access_tokens.keyring": UNCACHED, "oauth.endpoints.token.keyring": UNCACHED},
    ),
    Cache("token requests", (ISSUED,), {"oauth.endpoints.token_requests._CACHE.get": _nothing}),
    Cache("grant decisions", (ISSUED,), {"oauth.endpoints.token_requests.TokenRequest.cached_decision": _nothing}),
    Cache("networks of addresses", (ISSUED,), {"oauth.client_auth.network_of": UNCACHED}),
    Cache("HMACs of peppers", (UNKNOWN,), {"keys.rules.secret._keyed": UNCACHED}),
    Cache("HMACs of shared copies", (SHARED,), {"keys.validation.cache.serialization._keyed": UNCACHED}),
    Cache("scripts", (SHARED,), {"keys.validation.cache.snapshots.script": UNCACHED}),
)
_off = ExitStack()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as the portal does. ``SWITCH`` and a number switch that cache off, ``SWITCH`` alone switches it on."""
    from portal.asgi import application as portal

    if scope["type"] != "http" or not scope["path"].startswith(SWITCH):
        await portal(scope, receive, send)
        return
    _off.close()
    number = scope["path"].removeprefix(SWITCH)
    for name, value in CACHES[int(number)].replaced.items() if number else ():
        new: Any = resolve_name(name).__wrapped__ if value is UNCACHED else value
        _off.enter_context(patch(name, new))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def report_savings(targets: Mapping[str, Target], *, rounds: int = ROUNDS) -> None:
    """Print for each cache how much more CPU time a call takes without it: the median, and the middle half."""
    for number, cache in enumerate(CACHES):
        for target in map(targets.__getitem__, cache.lines):
            more = [_without(target, number) / _without(target, None) - 1 for _ in range(rounds)]
            low, median, high = statistics.quantiles(more, n=4)
            say(f"  {cache.name:24}{target.name:22}{median:+8.1%}   ({low:+.0%} to {high:+.0%})")


def _without(target: Target, number: int | None) -> float:
    """The CPU time of a call to the target, without this cache."""
    switch = f"http://127.0.0.1:{target.port}{SWITCH}"
    httpx.get(f"{switch}{'' if number is None else number}").raise_for_status()
    cpu_us = measure(target, CONNECTIONS).cpu_us
    httpx.get(switch).raise_for_status()
    return cpu_us
