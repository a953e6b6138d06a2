"""What strangers do, at length: another tenant's validations go on as if nothing were."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from keys.rules.secret import SecretKind, generate
from keys.validation.http import validate
from keys.validation.request import fast_parse
from oauth.endpoints.http import token
from oauth.protocol.errors import InvalidRequest
from oauth.protocol.form_body import MAX_ESCAPES, read_form
from portal.edge.bounds import MAX_FORM_BYTES
from tests.support import environment, floods
from tests.support.floods import FORM, b64
from tests.support.strangers import Besieged, Manner, Wave, half_open, idle, request, validation

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(120),
    pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL"),
]
HELD_MIB = 100  # by one process: the 64 MiB that it counts for clients, and what it takes to handle them


def test_idle_connections_stop_nobody(two_workers: Besieged, prove: Callable[[str], None]) -> None:
    two_workers.withstand("3,000 idle connections", idle(3_000), tell=prove)


def test_half_open_headers_stop_nobody(two_workers: Besieged, prove: Callable[[str], None]) -> None:
    two_workers.withstand("1,500 half-open headers", half_open(1_500), tell=prove)


def test_slow_bodies_stop_nobody_and_are_held_within_bounds(
    two_workers: Besieged, prove: Callable[[str], None]
) -> None:
    bodies = [
        validation(generate("lk", SecretKind.API).text, b"x" * 64_000),
        request("POST", "/oauth/token", b"x" * 64_000, content_type=FORM),
        request("POST", "/accounts/login/", b"x" * 64_000, content_type=FORM),
    ]
    slow = Wave(600, bodies, Manner.SLOW_BODY, pause_s=0.5)
    two_workers.withstand("600 slow bodies of 64 KB", slow, tell=prove, grows_at_most_mib=HELD_MIB)


def test_unread_answers_stop_nobody_and_are_held_within_bounds(
    two_workers: Besieged, prove: Callable[[str], None]
) -> None:
    folder = two_workers.portal.folder
    largest = max(folder.glob("static/**/*"), key=lambda file: file.stat().st_size).relative_to(folder)
    unread = [
        Wave(300, [request("GET", f"/{largest}") * 5], Manner.UNREAD),
        Wave(100, [request("GET", "/accounts/signup/") * 5], Manner.UNREAD),
    ]
    two_workers.withstand("2,000 answers that nobody reads", *unread, tell=prove, grows_at_most_mib=HELD_MIB)


def test_malformed_bodies_keep_nobody_waiting(one_worker: Besieged, prove: Callable[[str], None]) -> None:
    flood = Wave(20, floods.malformed_by_strangers(1_000), pause_s=0.25)
    answered = one_worker.withstand("80 malformed bodies of 64 KiB a second", flood, tell=prove)
    assert set(answered) <= {401, 503}


def test_unknown_api_secrets_keep_nobody_waiting(one_worker: Besieged, prove: Callable[[str], None]) -> None:
    flood = Wave(20, floods.unknown_api_secrets(5_000))
    answered = one_worker.withstand("20 connections with unknown API secrets", flood, tell=prove)
    assert set(answered) <= {401, 503}


# As keys could be stored once: with an exponent as long as the modulus.
KEYED_CLIENT = """
import json
from keys.models import Api, Environment
from oauth.models import Client
from oauth.services.clients import ClientSettings, create_client
from portal.audit import COMMAND
from portal.models import Organization
api = Api.objects.get(identifier="https://orders.example.com")
keys = json.loads({keys!r})
made = create_client(
    Organization.objects.get(name="Acme"), ClientSettings("keyed", public_keys=[{{**keys[0], "e": "AQAB"}}]),
    grants={{api.public_id: ["orders:read"]}}, environment=Environment.LIVE, by=COMMAND,
)
Client.objects.filter(pk=made.credential.pk).update(public_keys=keys)
print(made.credential.public_id)
"""


def test_bogus_assertions_for_a_client_of_ten_costly_keys_keep_nobody_waiting(
    one_worker: Besieged, prove: Callable[[str], None]
) -> None:
    program = KEYED_CLIENT.format(keys=json.dumps(costly_keys()))
    client_id = one_worker.portal.manage("shell", "--no-imports", "-c", program).strip()
    flood = Wave(20, floods.bogus_assertions(client_id), pause_s=0.25)
    answered = one_worker.withstand("80 bogus assertions a second", flood, tell=prove)
    assert set(answered) <= {401, 429, 503}


def costly_keys() -> list[dict[str, str]]:
    """Ten RSA keys with whose exponents one check costs fifty times as much."""
    keys = []
    for number in range(10):
        key = rsa.generate_private_key(65537, 3072).public_key()
        jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
        exponent = (key.public_numbers().n - 2).to_bytes(384)
        keys.append({
            "kty": "RSA", "n": str(jwk["n"]), "e": b64(exponent), "kid": f"{number}", "alg": "RS256", "use": "sig",
        })  # fmt: skip
    return keys


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
    costs = {f"JSON, {name}": cpu_ms(partial(fast_parse, body)) for name, body in WORST.items()}
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
