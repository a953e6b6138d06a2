"""After an outage, and while a store takes no writes: nothing goes back, and nothing looks down that is up."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from json import dumps, loads
from typing import Self
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.support import environment
from tests.support.refusing import REFUSALS, refusing
from tests.support.validation.histories import Answer, Change, Subject
from tests.test_faults import ASK_EVERY_S, Faulty, faulty_in, hung

pytestmark = [pytest.mark.prove, pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis")]
TTL_S = 30
ASKERS = 6
PAGES = ("/", "/accounts/login/", "/docs/", "/readyz", "/admin/login/")
HUNG = "hung"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """A portal on servers of its own, whose copies outlive an outage."""
    with faulty_in(tmp_path_factory.mktemp("outages"), ttl_s=TTL_S) as made:
        yield made


@pytest.fixture(autouse=True)
def recovered(faulty: Faulty) -> Iterator[None]:
    """Each test begins warm, and ends so."""
    faulty.recovers()
    yield
    faulty.recovers()


class Watch:
    """Asks about one key all the time, over several connections."""

    def __init__(self, faulty: Faulty, subject: Subject) -> None:
        self._address = urlsplit(faulty.portal.url).netloc
        self._subject = subject
        self._is_over = False
        self._threads = ThreadPoolExecutor(ASKERS)

    def __enter__(self) -> Self:
        self._jobs = [self._threads.submit(self._ask) for _ in range(ASKERS)]
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over = True
        self._threads.shutdown()
        for job in self._jobs:
            job.result()

    def sees(self, code: str, *, times: int) -> None:
        """Wait until that was answered so many times from now on."""
        begin, give_up_at = len(self._subject.answers), time.monotonic() + 20
        while sum(answer.code == code for answer in self._subject.answers[begin:]) < times:
            assert time.monotonic() < give_up_at, {answer.code for answer in self._subject.answers[begin:]}
            time.sleep(0.01)

    def _ask(self) -> None:
        body = dumps({"credential": self._subject.credential})
        headers = {"Authorization": f"Bearer {self._subject.api_secret}", "Content-Type": "application/json"}
        while not self._is_over:
            with closing(HTTPConnection(self._address, timeout=10)) as connection:  # one each, to reach every process
                started = time.monotonic()
                connection.request("POST", "/v1/validate", body, headers)
                with connection.getresponse() as response:
                    status, process, text = response.status, response.headers["X-Process"], response.read()
                code = loads(text)["code"] if status == 200 else str(status)
                self._subject.answers.append(Answer(started, time.monotonic(), code, process))
            time.sleep(ASK_EVERY_S)


@pytest.mark.parametrize("outage", [HUNG, *REFUSALS])
def test_a_key_revoked_in_an_outage_of_valkey_is_never_valid_again(faulty: Faulty, outage: str) -> None:
    key, secret = faulty.issue()
    subject = Subject(outage, faulty.here.api_secret, secret, [Change(0, time.monotonic(), "VALID")])
    with Watch(faulty, subject) as watch:
        watch.sees("VALID", times=20)
        with hung(faulty.valkey.process.pid) if outage == HUNG else refusing(faulty.valkey, outage):
            revoked = faulty.writer.do("revoke", key)
            subject.changes.append(Change(revoked["started"], revoked["ended"], "REVOKED", revoked["is_pending"]))
            watch.sees("REVOKED", times=20)
        for _ in range(5):  # while processes get their leases back
            watch.sees("REVOKED", times=50)
            time.sleep(0.2)
    assert revoked["is_pending"]
    assert len({answer.process for answer in subject.answers}) == 2
    assert subject.late() == subject.back() == []
    assert {answer.code for answer in subject.answers if answer.started > revoked["ended"]} == {"REVOKED"}


def test_no_page_looks_down_after_all_connections_to_postgres_were_cut(faulty: Faulty) -> None:
    with httpx.Client(base_url=faulty.portal.url, timeout=60, follow_redirects=True) as browser:
        for _ in range(3):
            with ThreadPoolExecutor(8) as threads:  # so that the pool holds several
                list(threads.map(lambda path: httpx.get(f"{faulty.portal.url}{path}", timeout=60), PAGES * 2))
            with psycopg.connect(faulty.postgres.url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            assert [browser.get(path).status_code for path in PAGES * 4] == [200] * len(PAGES * 4)


def test_a_read_only_database_is_not_ready_and_still_validates(faulty: Faulty) -> None:
    def set_read_only(value: str) -> None:
        with psycopg.connect(faulty.postgres.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")

    set_read_only("on")
    try:
        give_up_at = time.monotonic() + 10
        while "it is read-only" not in (ready := httpx.get(f"{faulty.portal.url}/readyz", timeout=10)).text:
            assert time.monotonic() < give_up_at  # what was checked a moment ago is told again
        assert ready.status_code == 503
        assert faulty.code(faulty.api_key) == "VALID"
        with httpx.Client(base_url=faulty.portal.url, timeout=10) as browser:
            page = browser.get("/accounts/password/reset/")
            form = {"email": "ada@example.com", "csrfmiddlewaretoken": page.cookies["latchkey_csrf"]}
            assert browser.post("/accounts/password/reset/", data=form).status_code in {302, 503}
    finally:
        set_read_only("off")
