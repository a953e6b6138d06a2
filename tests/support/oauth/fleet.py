"""Observe a live portal of several processes: the tokens it issues, refuses and lists while its clients change."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event
from typing import Any

import httpx

from tests.support.oauth.offline import OfflineVerifier
from tests.support.validation.recorder import Place, Writer

LISTED_WITHIN_S = 5.0
CALLERS = 4
VALID, INVALID, SUSPENDED = 0, 1, 2


@dataclass(frozen=True)
class Issue:
    """One token request: the times of its start and its response, and the token, empty if it was refused."""

    started: float
    ended: float
    status: int
    token: str = field(repr=False)


@dataclass(frozen=True)
class OAuthFleet:
    """A portal of ``processes`` processes, and the writer that changes its clients."""

    url: str
    processes: int
    writer: Writer = field(repr=False)
    here: Place
    there: Place
    http: httpx.Client = field(default_factory=httpx.Client)

    def refuse_and_list(self) -> float:
        """Refuse tokens in every way, and leave one valid.

        Returns the seconds until the status list of every process shows it; fails if a list shows it too late.
        """
        here, there = self.here.organization, self.there.organization
        clients = [self._client(organization)[0] for organization in (here, here, here, here, here, there)]
        minted = [self._do("mint", client)["made"] for client in clients]
        tokens, verifier = [token for _, token in minted], OfflineVerifier(self.url)
        self._until_listed(verifier, tokens, (VALID,) * 6, by=time.monotonic() + LISTED_WITHIN_S)
        _, one, every, gone, paused, _ = clients
        self._do("revoke_token", one, minted[1][0])
        self._do("revoke_tokens", every)
        self._do("revoke_client", gone)
        self._do("disable_client", paused)
        changed_at: float = self._do("suspend", there)["ended"]
        wanted = (VALID, INVALID, INVALID, INVALID, SUSPENDED, SUSPENDED)
        listed_at = self._until_listed(verifier, tokens, wanted, by=changed_at + LISTED_WITHIN_S)
        self._do("resume", there)
        return listed_at - changed_at

    def _until_listed(
        self, verifier: OfflineVerifier, tokens: list[str], wanted: tuple[int, ...], *, by: float
    ) -> float:
        """The time at which the last process served the wanted statuses; fails for a request after ``by``."""
        seen: set[str] = set()
        while len(seen) < self.processes:
            asked_at = time.monotonic()
            signature, statuses = verifier.statuses(tokens)
            if statuses == wanted:
                seen.add(signature)
            assert asked_at < by, statuses
        return time.monotonic()

    def issue_against(self, change: str) -> tuple[dict[str, Any], list[Issue]]:
        """Change a client while it gets tokens. Returns the change, and the issues before, during and after it."""
        client, secret = self._client(self.here.organization)
        have_begun, is_over = Barrier(CALLERS + 1), Event()

        def issue_on() -> list[Issue]:
            issued = [self._issue(client, secret)]
            have_begun.wait()
            while not is_over.is_set():
                issued.append(self._issue(client, secret))
            return [*issued, self._issue(client, secret)]

        with ThreadPoolExecutor(CALLERS) as threads:
            jobs = [threads.submit(issue_on) for _ in range(CALLERS)]
            have_begun.wait()
            changed = self._do(change, client)
            is_over.set()
        return changed, [each for job in jobs for each in job.result()]

    def is_active(self, token: str) -> bool:
        """Whether introspection calls the token active, asked over a new connection."""
        answer = self._post("introspect", f"Bearer {self.here.api_secret}", {"token": token})
        return bool(answer.raise_for_status().json()["active"])

    def _client(self, organization: str) -> tuple[str, str]:
        client, secret = self._do("create_client", organization, self.here.api)["made"]
        return client, secret

    def _do(self, operation: str, *arguments: Any) -> dict[str, Any]:
        done = self.writer.do(operation, *arguments)
        assert not done["is_pending"], operation
        return done

    def _issue(self, client: str, secret: str) -> Issue:
        basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        started = time.monotonic()
        answer = self._post("token", f"Basic {basic}", {"grant_type": "client_credentials"})
        return Issue(started, time.monotonic(), answer.status_code, answer.json().get("access_token", ""))

    def _post(self, endpoint: str, authorization: str, form: dict[str, str]) -> httpx.Response:
        headers = {"Authorization": authorization, "Connection": "close"}
        return self.http.post(f"{self.url}/oauth/{endpoint}", data=form, headers=headers, timeout=10)
