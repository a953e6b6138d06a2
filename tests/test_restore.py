"""The backup and restore of docs/operations.md, on a portal that serves before and after."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from portal.env import BASE_DIR
from tests.support import environment, live
from tests.support.devservices import postgres_program, start_valkey
from tests.support.oauth.offline import status_at

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL")
PATIENCE_S = 30
ISSUER = "http://localhost:8000"  # the same before and after, whatever port it is


@dataclass(frozen=True)
class Program:
    """A client of the demo data and the API that it calls."""

    portal: live.Live
    demo: dict[str, Any] = field(repr=False)

    def get_token(self) -> str:
        """A new access token."""
        client = self.demo["client"]
        answer = httpx.post(
            f"{self.portal.url}/oauth/token",
            auth=(client["client_id"], client["client_secret"]),
            data={"grant_type": "client_credentials"},
        )
        return str(answer.raise_for_status().json()["access_token"])

    def validate(self, token: str) -> str:
        """The code that the API gets."""
        bearer = {"Authorization": f"Bearer {self.demo['api']['secret']}"}
        answer = httpx.post(f"{self.portal.url}/v1/validate", headers=bearer, json={"credential": token})
        return str(answer.raise_for_status().json()["code"])

    def status(self, token: str) -> int:
        """What the token's list says to who verifies offline."""
        idx, path = _place(token)
        deadline = time.monotonic() + PATIENCE_S
        while (answer := httpx.get(f"{self.portal.url}{path}")).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            assert time.monotonic() < deadline  # a list that is built at first takes a while on a busy machine
        return status_at(jwt.decode(answer.raise_for_status().text, options={"verify_signature": False}), idx)


def _place(token: str) -> tuple[int, str]:
    place = jwt.decode(token, options={"verify_signature": False})["status"]["status_list"]
    return place["idx"], place["uri"].removeprefix(ISSUER)


def _run(program: str, *arguments: str | Path) -> None:
    subprocess.run([postgres_program(program), *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A new folder for each portal."""
    made = [tmp_path / name for name in ("before", "after")]
    for each in made:
        each.mkdir()
    return iter(made)


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Valkey of its own: the command refuses while any web process holds a lease, another test's included."""
    valkey = start_valkey()
    yield valkey.url
    valkey.stop()


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_what_was_refused_since_the_backup_stays_refused_after_a_restore(
    folder: Iterator[Path], tmp_path: Path, redis_url: str
) -> None:
    dump = tmp_path / "latchkey.dump"
    with (
        live.database() as url,
        live.portal(next(folder), database_url=url, PUBLIC_URL=ISSUER, REDIS_URL=redis_url) as portal,
    ):
        program = Program(portal, loads(portal.manage("demo", "--json", "--force")))
        revoked = program.get_token()
        _run("pg_dump", "--format=custom", f"--file={dump}", url)
        portal.manage("credential", program.demo["client"]["client_id"], "revoke-tokens")
        since = [program.get_token() for _ in range(40)]  # more than was leased by then
        assert program.validate(revoked) == "REVOKED"
    with live.database(is_empty=True) as url:
        _run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", dump)
        environ = dict(portal.environ) | {"DATABASE_URL": url}
        _until_it_may(environ)
        with live.portal(next(folder), database_url=url, PUBLIC_URL=ISSUER, REDIS_URL=redis_url) as portal:
            program = Program(portal, program.demo)
            assert "VALID" not in {program.validate(token) for token in (revoked, *since)}
            fresh = [program.get_token() for _ in range(40)]
            assert {program.validate(token) for token in fresh} == {"VALID"}
            assert {_place(token) for token in fresh}.isdisjoint(_place(token) for token in (revoked, *since))
            assert program.status(revoked) == program.status(since[-1]) == 1
            assert program.status(fresh[0]) == 0


def _until_it_may(environ: dict[str, str]) -> None:
    """Run the command; the leases of the processes that were just stopped last for another second."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            live.manage(environ, "after_restore")
        except AssertionError as exc:
            if "Stop them first" not in str(exc) or time.monotonic() > deadline:
                raise
        else:
            return


def test_the_documents_restore_in_the_order_that_is_tested() -> None:
    section = (BASE_DIR / "docs/operations.md").read_text().partition("## Backup, restore")[2].partition("\n## ")[0]
    steps = [section.index(step) for step in ("pg_dump", "stop web pages worker beat", "pg_restore", "after_restore")]
    assert steps == sorted(steps)
