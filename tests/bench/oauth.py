"""What a token costs at ``POST /oauth/token``, beside the least that it can: one signature, and an answer at all."""

import base64
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

SIGNATURES = 2_000
TO_SIGN = b"x" * 600  # as long as header and claims are
FORM = b"grant_type=client_credentials&scope=orders%3Aread"


class Costs(NamedTuple):
    """CPU time of one of each, in microseconds."""

    bare_us: float
    signature_us: float
    token_us: float

    @property
    def ratio(self) -> float:
        """The token, as a multiple of what it cannot do without."""
        return self.token_us / (self.bare_us + self.signature_us)


def ask_for_a_token(client: Mapping[str, str]) -> bytes:
    """The bytes of a request by a client's secret."""
    pair = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    return (
        f"POST /oauth/token HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {pair}\r\n"
        f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(FORM)}\r\n\r\n"
    ).encode() + FORM


def costs_of_tokens(
    bare_us: Callable[[], float], token_us: Callable[[], float], *, core: set[int], rounds: int
) -> Costs:
    """The costs of the median round; each round asks for all three in turn, on the same core."""
    found = [Costs(bare_us(), _signature_us(core), token_us()) for _ in range(rounds)]
    return statistics.median_low([(each.ratio, each) for each in found])[1]


def _signature_us(core: set[int]) -> float:
    """One ES256 signature, by the library and nothing around it."""
    key, algorithm = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(SHA256())
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)
    try:
        before = time.thread_time()
        for _ in range(SIGNATURES):
            key.sign(TO_SIGN, algorithm)
        return (time.thread_time() - before) / SIGNATURES * 1e6
    finally:
        os.sched_setaffinity(0, usual)
