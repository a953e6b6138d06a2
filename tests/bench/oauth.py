"""What tokens cost, beside the least that they can: a bare answer, a signature made or checked."""

import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from portal.env import BASE_DIR
from tests.bench import load

SIGNATURES = 2_000
FIRST_SEEN = 1_000
TO_SIGN = b"x" * 600  # as long as header and claims are
FORM = b"grant_type=client_credentials&scope=orders%3Aread"


class Costs(NamedTuple):
    """What was found, as multiples; and how long a list of a million tokens takes to build, in seconds."""

    issued: float  # of a bare answer and a signature
    first_seen: float  # of a warm validation and a signature checked
    list_s: float


def ask_for_a_token(client: Mapping[str, str]) -> bytes:
    """The bytes of a request by a client's secret."""
    pair = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    return load.form("/oauth/token", FORM, authorization=f"Basic {pair}")


def ask_about(token: str, *, bearer: str) -> bytes:
    """The bytes of an introspection by the token's API."""
    return load.form("/oauth/introspect", f"token={token}".encode(), authorization=f"Bearer {bearer}")


def some_tokens(port: int, client: Mapping[str, str], count: int) -> list[str]:
    """So many tokens, each another."""
    came = asyncio.run(load.run(port, [ask_for_a_token(client)], connections=4, total=count, keeps_bodies=True))
    return [json.loads(body)["access_token"] for body in came.bodies]


def costs_of_tokens(
    *,
    bare_us: Callable[[], float],
    issue_us: Callable[[], float],
    warm_us: Callable[[], float],
    first_us: Callable[[Sequence[str]], float],
    tokens: Callable[[int], list[str]],
    core: set[int],
    rounds: int,
) -> Costs:
    """The medians of so many rounds; each asks for all in turn, on the same core."""
    issued, first_seen = [], []
    for _ in range(rounds):
        sign_us, check_us = _on(core, _signature_us)
        issued.append(issue_us() / (bare_us() + sign_us))
        unseen = tokens(FIRST_SEEN)
        first_seen.append(first_us(unseen) / (warm_us() + check_us))
    return Costs(statistics.median(issued), statistics.median(first_seen), _list_s())


def _signature_us() -> tuple[float, float]:
    """One ES256 signature made, and one checked, by the library and nothing around it."""
    key, algorithm = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(SHA256())
    public_key, signature = key.public_key(), key.sign(TO_SIGN, algorithm)
    return (
        _each_us(lambda: key.sign(TO_SIGN, algorithm)),
        _each_us(lambda: public_key.verify(signature, TO_SIGN, algorithm)),
    )


def _each_us(do: Callable[[], object]) -> float:
    before = time.thread_time()
    for _ in range(SIGNATURES):
        do()
    return (time.thread_time() - before) / SIGNATURES * 1e6


def _on(core: set[int], measure: Callable[[], Any]) -> Any:
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)
    try:
        return measure()
    finally:
        os.sched_setaffinity(0, usual)


def _list_s() -> float:
    command = [sys.executable, "-m", "tests.bench.status_list"]
    return float(subprocess.run(command, cwd=BASE_DIR, check=True, capture_output=True, text=True).stdout)
