"""What strangers and other tenants send to /oauth keeps nobody's validations waiting."""

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from oauth.presented import ASSERTION_TYPE
from portal.env import BASE_DIR
from tests import environment, live
from tests.bench import load
from tests.canary import Canary
from tests.prove.flooding import repeat

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(300),
    pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL"),
]
FOR_S = 6.0
PAUSE_S = 0.01
BOGUS_EACH_S = 0.25  # on each of as many connections
CONNECTIONS = 20
REVOKING = 80
# As they could be stored once: with an exponent as long as the modulus.
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
Client.objects.filter(pk=made.client.pk).update(public_keys=keys)
print(made.client.public_id)
"""


@dataclass
class Portal:
    """A running portal, and what its tenants ask with."""

    port: int
    validation: bytes = field(repr=False)  # another tenant's
    client: tuple[str, str] = field(repr=False)
    keyed_id: str

    def form(self, path: str, form: dict[str, str]) -> bytes:
        """The bytes of a request by the tenant's client."""
        basic = base64.b64encode(":".join(self.client).encode()).decode()
        return load.form(path, urlencode(form).encode(), authorization=f"Basic {basic}")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Portal]:
    """A portal of one process, so that whatever holds it up holds up everybody."""
    folder = tmp_path_factory.mktemp("strangers")
    with live.database() as url, live.portal(folder, database_url=url) as running:
        demo = json.loads(running.manage("demo", "--json", "--force"))
        other = demo["other"]
        for secret in (demo["client"]["client_secret"], other["api"]["secret"], other["api_key"]):
            canary.remember(secret)
        program = KEYED_CLIENT.format(keys=json.dumps(costly_keys()))
        yield Portal(
            port=urlsplit(running.url).port or 0,
            validation=load.post(
                "/v1/validate", json.dumps({"credential": other["api_key"]}).encode(), bearer=other["api"]["secret"]
            ),
            client=(demo["client"]["client_id"], demo["client"]["client_secret"]),
            keyed_id=running.manage("shell", "--no-imports", "-c", program).strip(),
        )
        assert not canary.is_in(running.log)


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


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def beside(
    portal: Portal, request: bytes, *, connections: int, pause_s: float, prove: Callable[[str], None]
) -> set[int]:
    """Hold another tenant's validations during a flood to those before it; the statuses that the flood was told."""

    def validate(for_s: float) -> list[tuple[int, float]]:
        until = time.monotonic() + for_s
        return asyncio.run(repeat(portal.port, portal.validation, pause_s=PAUSE_S, until=until))

    quiet = validate(FOR_S / 2)
    arguments = [portal.port, connections, pause_s, FOR_S + 1]
    command = [sys.executable, "-m", "tests.prove.flooding", *map(str, arguments)]
    with subprocess.Popen(command, cwd=BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
        assert flood.stdin is not None
        flood.stdin.write(request)
        flood.stdin.close()
        time.sleep(1)
        during = validate(FOR_S)
        assert flood.stdout is not None
        statuses = {int(status): count for status, count in json.loads(flood.stdout.read()).items()}
    (p50, p99), (quiet_p50, quiet_p99) = (percentiles_ms(told) for told in (during, quiet))
    prove(
        f"{connections} connections were answered {statuses}; another tenant's validations meanwhile: p50 {p50:.1f} ms,"
        f" p99 {p99:.1f} ms; when quiet: {quiet_p50:.1f} ms, {quiet_p99:.1f} ms"
    )
    assert {status for status, _ in (*quiet, *during)} == {200}
    assert p99 <= 10 * quiet_p99 + 50
    return set(statuses)


def percentiles_ms(told: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """The 50th and the 99th."""
    cuts = quantiles([1000 * took_s for _, took_s in told], n=100)
    return cuts[49], cuts[98]


def test_bogus_assertions_for_a_client_of_ten_costly_keys_keep_nobody_waiting(
    portal: Portal, prove: Callable[[str], None]
) -> None:
    now = int(time.time())
    claims = {"iss": portal.keyed_id, "sub": portal.keyed_id, "iat": now, "exp": now + 60, "jti": "1"}
    parts = [b64(json.dumps(each).encode()) for each in ({"alg": "RS256"}, claims)]
    assertion = ".".join([*parts, b64(b"\x01" * 384)])
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    body = urlencode(form | {"grant_type": "client_credentials"}).encode()
    head = "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    bogus = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    assert beside(portal, bogus, connections=CONNECTIONS, pause_s=BOGUS_EACH_S, prove=prove) <= {401, 429}


def test_eighty_connections_that_repeat_one_revocation_keep_nobody_waiting(
    portal: Portal, prove: Callable[[str], None]
) -> None:
    basic = httpx.BasicAuth(*portal.client)
    url = f"http://localhost:{portal.port}/oauth/token"
    token = httpx.post(url, data={"grant_type": "client_credentials"}, auth=basic).json()["access_token"]
    revocation = portal.form("/oauth/revoke", {"token": token})
    assert beside(portal, revocation, connections=REVOKING, pause_s=0, prove=prove) <= {200, 429}
