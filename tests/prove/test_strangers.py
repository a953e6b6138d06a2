"""What strangers do, at length: another tenant's validations go on as if nothing were."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from keys.secret import Kind, generate
from keys.validation.http import validate
from keys.validation.question import read_plainly
from oauth.errors import InvalidRequest
from oauth.forms import MAX_ESCAPES, read_form
from oauth.http import token
from portal.bounds import MAX_FORM_BYTES
from tests import live, strangers
from tests.strangers import Latencies

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]
CALLS = 400


class Bystander:
    """A tenant whose backend validates one good key, whatever strangers do."""

    def __init__(self, portal: live.Live, demo: dict[str, Any]) -> None:
        self.port = urlsplit(portal.url).port or 0
        self._secret, self._key = demo["api"]["secret"], demo["api_key"]

    def validations(self, number: int = CALLS) -> Latencies:
        """What so many of its validations take."""
        return strangers.validations(self.port, self._secret, self._key, number=number)

    def validate(self, *, within_s: float) -> int:
        """One validation on a new connection."""
        return strangers.validate(self.port, self._secret, self._key, within_s=within_s)


@pytest.fixture(scope="module")
def bystander(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bystander]:
    """The bystander of a portal in production mode, with two workers."""
    with (
        live.database() as url,
        live.portal(tmp_path_factory.mktemp("strangers") / "portal", database_url=url, workers=2) as portal,
    ):
        bystander = Bystander(portal, json.loads(portal.manage("demo", "--json", "--force")))
        bystander.validations(20)
        yield bystander


def test_3000_idle_and_1500_half_open_connections_stop_nobody(
    bystander: Bystander, prove: Callable[[str], None]
) -> None:
    quiet = bystander.validations()
    with strangers.crowd(bystander.port, idle=3_000, half_open=1_500):
        assert bystander.validate(within_s=1) == 200
        attacked = bystander.validations()
    strangers.hold_to_the_bar("3,000 idle and 1,500 half-open connections", quiet, attacked, prove)


@pytest.mark.parametrize("secret", ["x", generate("lk", Kind.API).text], ids=["no secret", "an unknown secret"])
def test_large_bodies_of_strangers_slow_nobody_down(
    bystander: Bystander, prove: Callable[[str], None], secret: str
) -> None:
    body = b'{"credential":"x","scopes":[' + b"[]," * 21_000 + b"[]]}"
    headers = f"Authorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
    quiet = bystander.validations()
    with strangers.flood(bystander.port, headers=headers, body=body, per_s=40):
        attacked = bystander.validations()
    strangers.hold_to_the_bar("40 bodies of 64 KiB a second from strangers", quiet, attacked, prove)


WORST = {
    "nested": b"[" * MAX_FORM_BYTES,
    "empty texts": b'{"credential":"x","scopes":[' + b'"",' * 21_000 + b'""]}',
    "members twice": b'{"credential":"x"' + b',"ip":""' * 8_000 + b"}",
    "objects": b'{"a":[' + b"{}," * 21_000 + b"{}]}",
    "a long number": b'{"credential":"x","cost":0.' + b"0" * 65_000 + b"1}",
    "escapes": b'{"credential":"' + b"\\n" * 32_000 + b'"}',
    "a long method": b'{"credential":"x","method":"' + b"a" * 65_000 + b'"}',
}
FORMS = {
    "escapes": b"a=" + b"%41" * MAX_ESCAPES,
    "plus signs": b"a=" + b"+" * 65_000,
    "fields": b"%41=%41&" * 99,
    "one field": b"a=" + "é".encode() * 32_000 + b"%41",
}


def test_the_worst_body_of_a_stranger_costs_no_more_than_is_declared(prove: Callable[[str], None]) -> None:
    costs = {f"JSON, {name}": cpu_ms(partial(read_plainly, body)) for name, body in WORST.items()}
    costs |= {f"form, {name}": cpu_ms(partial(read_form, body)) for name, body in FORMS.items()}
    prove(f"worst bodies of strangers: {', '.join(f'{name} {ms:.2f} ms' for name, ms in costs.items())}")
    assert max(costs.values()) <= min(validate.bounds.max_cpu_ms, token.bounds.max_cpu_ms)


def cpu_ms(read: Callable[[], object]) -> float:
    """The CPU that it takes, the best of several tries: what the machine does besides counts for nothing."""
    tries = []
    for _ in range(7):
        began = time.thread_time()
        with suppress(InvalidRequest):
            read()
        tries.append((time.thread_time() - began) * 1000)
    return min(tries)
