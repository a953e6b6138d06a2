"""The rows of the table: which portal is asked what."""

import json
import random
from typing import Any, NamedTuple

from tests.bench import load
from tests.bench.measure import Target
from tests.bench.oauth import ask_about, ask_for_a_token, some_tokens

ROUNDS = 5
CALLS = {1: 1500, 16: 4000}
MOST = max(CALLS)
MIXED = 10_000
WARM, LIMITED, MANY, MIX = "warm validate", "warm, 1,000/s limits", "warm, 10,000 keys", "a gateway's mix"
TOKEN, INTROSPECTION, ISSUED = "warm, a token", "introspection", "a token issued"
SHARED, FIRST, SECOND = "from Redis", "first time", "first time here"
BARE, FOUR, PEER = "bare", "warm, 4 workers, each", "the peer, 10,000 keys"


class Stand(NamedTuple):
    """The portals of a checkout, its data, and the processes of its stores."""

    servers: dict[str, tuple[int, int]]  # port and process
    stores: list[int]
    demo: dict[str, Any]
    limited: list[str]
    keys: list[str]


def ask(demo: dict[str, Any], credential: str, **fields: object) -> bytes:
    """The bytes of a validation."""
    return load.post("/v1/validate", question_about(credential, **fields).encode(), bearer=demo["api"]["secret"])


def question_about(credential: str, **fields: object) -> str:
    """The body of a validation."""
    return json.dumps({"credential": credential, "scopes": ["orders:read"], "ip": "203.0.113.9"} | fields)


def targets(stand: Stand, unasked: list[str], *, rounds: int) -> list[Target]:
    """The rows that every checkout has; each of the keys ``unasked`` is asked about in one round only."""

    def at(server: str, name: str, requests: list[bytes], calls: dict[int, int] = CALLS, **more: Any) -> Target:
        return Target(name, *stand.servers[server], requests, calls, stores=stand.stores, **more)

    demo = stand.demo
    each_key, unasked_keys = ([ask(demo, key) for key in keys] for keys in (stand.keys, unasked))
    fewer = {connections: calls // 4 for connections, calls in CALLS.items()}
    each_once = {MOST: (len(unasked_keys) - 1) // rounds}
    [token] = some_tokens(stand.servers["one"][0], demo["client"], 1)
    return [
        at("one", WARM, [ask(demo, demo["api_key"])]),
        at("one", LIMITED, [ask(demo, key) for key in stand.limited]),
        at("one", MANY, each_key, {MOST: len(each_key)}),
        at("one", MIX, _mix(demo, stand.keys), {MOST: MIXED}),
        at("one", TOKEN, [ask(demo, token)]),
        at("one", INTROSPECTION, [ask_about(token, bearer=demo["api"]["secret"])]),
        at("one", ISSUED, [ask_for_a_token(demo["client"])], fewer),
        at("few", SHARED, each_key[: fewer[MOST]], fewer),
        at("first", FIRST, [*unasked_keys], each_once, are_once=True),
        at("second", SECOND, [*unasked_keys], each_once, are_once=True),  # after the first has filled Redis
    ]


def _mix(demo: dict[str, Any], keys: list[str]) -> list[bytes]:
    """Calls as a gateway makes them: keys by Zipf's law, each from a few addresses, with methods, paths and scopes."""
    chance = random.Random(1)  # noqa: S311  # the same calls in each run
    ranks = chance.choices(range(len(keys)), [1 / rank for rank in range(1, len(keys) + 1)], k=MIXED)
    return [
        ask(
            demo,
            keys[rank],
            scopes=chance.choice([["orders:read"], ["orders:write"], ["orders:read", "orders:write"]]),
            ip=f"198.{rank >> 8}.{rank & 255}.{chance.randrange(4)}",
            method=chance.choice(["GET", "GET", "GET", "POST"]),
            path=f"/orders/{chance.randrange(1_000_000)}",
        )
        for rank in ranks
    ]
