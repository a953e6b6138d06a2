"""The portal behind PgBouncer in transaction mode, where each transaction may get another connection to the server."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from json import loads
from typing import Any

import httpx
import pytest

from portal.env import BASE_DIR
from tests.support import environment, live
from tests.support.devservices import ServiceUnavailable, start_pgbouncer

pytestmark = [pytest.mark.prove, pytest.mark.skipif(environment.ON_SQLITE, reason="production is PostgreSQL")]
SERVER_CONNECTIONS = 3  # fewer than there are callers, so that they change hands
CALLERS = 6
PAGES = (
    "/app/",
    "/app/keys/",
    "/app/keys/new/",
    "/app/clients/",
    "/app/clients/new/",
    "/app/team/",
    "/app/team/invitations/new/",
    "/app/team/service-accounts/",
    "/app/settings/",
    "/app/settings/policies/",
    "/app/activity/",
    "/accounts/2fa/",
    "/docs/",
)
EXPORTS = ("/app/activity/activity.csv", "/app/activity/activity.json")  # a person has one at a time


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[live.Live, dict[str, Any]]]:
    """A portal that reaches its database through PgBouncer, as migrations do, and its demo data."""
    with live.database() as url:
        try:
            pooler = start_pgbouncer(url, server_connections=SERVER_CONNECTIONS)
        except ServiceUnavailable as exc:
            pytest.skip(str(exc))
        try:
            live.migrate(pooler.url)
            folder = tmp_path_factory.mktemp("pooled")
            with live.portal(folder, database_url=pooler.url, DATABASE_POOLER="transaction") as portal:
                yield portal, loads(portal.manage("demo", "--json", "--force", "--keys", "40"))
        finally:
            pooler.stop()


def _sign_in(url: str, person: dict[str, str]) -> httpx.Client:
    browser = httpx.Client(base_url=url, headers={"Origin": url}, timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/accounts/login/").text)
    assert token
    fields = {"csrfmiddlewaretoken": token[1], "login": person["email"], "password": person["password"]}
    assert browser.post("/accounts/login/", data=fields).status_code == httpx.codes.FOUND
    return browser


@pytest.mark.timeout(300)
def test_every_page_and_export_is_served_behind_a_pooler_in_transaction_mode(
    pooled: tuple[live.Live, dict[str, Any]],
) -> None:
    portal, demo = pooled
    with closing(_sign_in(portal.url, demo["user"])) as browser, ThreadPoolExecutor(CALLERS) as callers:
        asked = callers.map(browser.get, PAGES * 4)
        exports = [browser.get(path) for path in EXPORTS]
        answers = [*asked, *exports]
    assert [(answer.url.path, answer.status_code) for answer in answers if answer.status_code != httpx.codes.OK] == []
    assert [answer.text.count("key.issued") for answer in exports] == [42, 42]


@pytest.mark.timeout(300)
def test_keys_and_tokens_are_validated_behind_a_pooler_in_transaction_mode(
    pooled: tuple[live.Live, dict[str, Any]],
) -> None:
    portal, demo = pooled
    bearer = {"Authorization": f"Bearer {demo['api']['secret']}"}
    with (
        httpx.Client(base_url=portal.url, headers=bearer, timeout=30) as backend,
        ThreadPoolExecutor(CALLERS) as callers,
    ):

        def ask(credential: str) -> str:
            return str(backend.post("/v1/validate", json={"credential": credential}).json().get("code"))

        client = demo["client"]
        answer = httpx.post(
            f"{portal.url}/oauth/token",
            auth=(client["client_id"], client["client_secret"]),
            data={"grant_type": "client_credentials"},
            timeout=30,
        )
        credentials = [*demo["api_keys"], answer.json()["access_token"]]
        assert set(callers.map(ask, credentials)) == {"VALID"}


def test_a_pooler_that_is_not_named_stops_the_start(pooled: tuple[live.Live, dict[str, Any]]) -> None:
    portal, _ = pooled

    def start(**settings: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "import portal.asgi"]
        environ = {**portal.environ, **settings}
        return subprocess.run(command, env=environ, cwd=BASE_DIR, capture_output=True, text=True, check=False)

    assert start().returncode == 0
    refused = start(DATABASE_POOLER="")
    assert refused.returncode
    assert "Set DATABASE_POOLER=transaction" in refused.stderr
