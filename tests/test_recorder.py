"""No answer shows a state from before a change that had returned: five seconds of it, on four web processes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from json import dumps, loads
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from tests.support import environment, live
from tests.support.canary import Canary
from tests.support.devservices import start_valkey
from tests.support.oauth.fleet import LISTED_WITHIN_S, OAuthFleet
from tests.support.oauth.recorder import TokenRecorder
from tests.support.validation.histories import Answer, Change, Subject
from tests.support.validation.recorder import Place, Recorder, Recording, Writer, writers

pytestmark = pytest.mark.skipif(environment.ON_SQLITE, reason="the cache needs a Redis")
WORKERS = 4
REST_S = 0.02  # of each client here; in `make prove` they ask without a pause


@dataclass
class Fleet:
    """A portal of four processes with a Valkey of its own, and writers beside it."""

    portal: live.Live
    valkey: redis.Redis = field(repr=False)
    writers: list[Writer] = field(repr=False)
    here: Place
    there: Place

    def record(
        self,
        for_s: float,
        *,
        kind: type[Recorder] = Recorder,
        pause_s: float = 0.1,
        rest_s: float = 0.0,
        disturb: Callable[[], None] = lambda: None,
    ) -> Recording:
        """What is answered in so many seconds."""
        recorder = kind(self.portal.url, self.writers, here=self.here, there=self.there, pause_s=pause_s, rest_s=rest_s)
        return recorder.run(for_s, disturb=disturb)

    @property
    def oauth(self) -> OAuthFleet:
        """The same, as OAuth clients and offline verifiers meet it."""
        return OAuthFleet(self.portal.url, WORKERS, self.writers[0], self.here, self.there)

    def edit_against_roll(self, *, rounds: int) -> int:
        """Cut or widen a key while it is rolled, again and again; how many answers showed both, in every process."""
        (key, secret), asked = self.writers[0].do("issue", self.here.organization, self.here.api)["made"], 0
        for round_ in range(rounds):
            scopes = ["orders:read", "orders:write"][: 1 + round_ % 2]
            with ThreadPoolExecutor(2) as both:
                cut = both.submit(self.writers[0].do, "cut", key, *scopes)
                rolled = both.submit(self.writers[1].do, "roll", key, 0)
            assert not cut.result()["is_pending"]
            old, secret = secret, rolled.result()["made"]
            code = "VALID" if "orders:write" in scopes else "INSUFFICIENT_SCOPE"
            for _ in range(WORKERS):
                assert (self.code(old), self.code(secret)) == ("SUPERSEDED", code)
                asked += 2
        return asked

    def code(self, credential: str) -> str:
        """Whether the credential may write orders, asked over a connection of its own."""
        connection = HTTPConnection(urlsplit(self.portal.url).netloc, timeout=10)
        body = dumps({"credential": credential, "scopes": ["orders:write"]})
        headers = {"Authorization": f"Bearer {self.here.api_secret}", "Content-Type": "application/json"}
        with closing(connection):
            connection.request("POST", "/v1/validate", body, headers)
            return str(loads(connection.getresponse().read())["code"])

    @contextmanager
    def short_of_memory(self) -> Iterator[None]:
        """Valkey evicts all the time, copies, tokens and the register alike."""
        self.valkey.config_set("maxmemory-policy", "allkeys-lru")
        self.valkey.config_set("maxmemory", "1mb")
        try:
            yield
        finally:
            self.valkey.config_set("maxmemory", "0")

    def disturb(self) -> None:
        """Empty Valkey, and cut every process off from what is published."""
        self.valkey.flushall()
        self.valkey.client_kill_filter(_type="pubsub")


@contextmanager
def fleet_in(folder: Path, canary: Canary, **settings: str) -> Iterator[Fleet]:
    """Such a fleet, with the demo's organizations and APIs."""
    valkey = start_valkey()
    client: redis.Redis = redis.Redis.from_url(valkey.url)
    try:
        with (
            live.database_with_demo() as (url, demo),
            live.portal(
                folder,
                database_url=url,
                workers=WORKERS,
                application=live.NAMED,
                REDIS_URL=valkey.url,
                **settings,
            ) as portal,
            writers(portal.environ) as pair,
        ):
            yield Fleet(portal, client, pair, place(portal, demo, canary), place(portal, demo["other"], canary))
            assert not canary.is_in(portal.log)
    finally:
        client.close()
        valkey.stop()


def place(portal: live.Live, demo: dict[str, dict[str, str]], canary: Canary) -> Place:
    """The API and the organization of some demo data."""
    for secret in (demo["api"]["secret"], demo["api_key"]):
        canary.remember(str(secret))
    bearer = {"Authorization": f"Bearer {demo['api']['secret']}"}
    answer = httpx.post(f"{portal.url}/v1/validate", json={"credential": demo["api_key"]}, headers=bearer, timeout=10)
    return Place(answer.json()["organization"]["id"], demo["api"]["id"], demo["api"]["secret"])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for this module."""
    with fleet_in(tmp_path_factory.mktemp("recorder"), Canary()) as made:
        yield made


def test_no_answer_shows_what_was_changed_before_it_was_asked_for(fleet: Fleet) -> None:
    recording = fleet.record(5, rest_s=REST_S)
    assert recording.late == recording.back == []
    assert set(recording.codes) == {
        "VALID",
        "ACTIVE",
        "INACTIVE",
        "REVOKED",
        "DISABLED",
        "INSUFFICIENT_SCOPE",
        "SUPERSEDED",
        "ORGANIZATION_SUSPENDED",
        "401",
    }
    assert recording.pending == 0


def test_nor_of_access_tokens(fleet: Fleet) -> None:
    recording = fleet.record(4, kind=TokenRecorder, rest_s=REST_S)
    assert recording.late == recording.back == []
    wanted = {"VALID", "REVOKED", "EXPIRED", "DISABLED", "ORGANIZATION_SUSPENDED", "ACTIVE", "INACTIVE"}
    assert set(recording.codes) >= wanted


def test_every_process_lists_within_five_seconds_what_is_refused(fleet: Fleet) -> None:
    assert fleet.oauth.refuse_and_list() < LISTED_WITHIN_S


def test_a_client_that_was_disabled_gets_nothing_and_what_it_got_meanwhile_is_inactive(fleet: Fleet) -> None:
    """TK16."""
    changed, issues = fleet.oauth.issue_against("disable_client")
    after = [each for each in issues if each.started > changed["ended"]]
    assert {each.status for each in after} <= {401, 429}
    tokens = [each.token for each in issues if each.token]
    assert len(after) >= 4 <= len(tokens)
    assert not any(map(fleet.oauth.is_active, tokens))


def test_a_client_secret_that_was_rolled_out_gets_nothing_and_what_it_got_lives_on(fleet: Fleet) -> None:
    changed, issues = fleet.oauth.issue_against("roll_out")
    assert {each.status for each in issues if each.started > changed["ended"]} <= {401, 429}
    assert all(fleet.oauth.is_active(each.token) for each in issues if each.token)


def test_all_tokens_are_revoked_that_were_there_and_none_that_came_after(fleet: Fleet) -> None:
    changed, issues = fleet.oauth.issue_against("revoke_tokens")
    before = [each.token for each in issues if each.ended < changed["started"]]
    after = [each.token for each in issues if each.started > changed["ended"]]
    assert len(after) >= 4 <= len(before)
    assert not any(map(fleet.oauth.is_active, before))
    assert all(map(fleet.oauth.is_active, after))


@pytest.mark.prove
def test_nor_while_valkey_evicts_is_emptied_and_cuts_its_subscribers_off(fleet: Fleet) -> None:
    with fleet.short_of_memory():
        recording = fleet.record(5, rest_s=REST_S, disturb=fleet.disturb)
    assert recording.late == recording.back == []
    assert {code for code in recording.codes if code.startswith("5")} <= {"503"}


def test_of_an_edit_and_a_roll_at_once_neither_is_lost(fleet: Fleet) -> None:
    assert fleet.edit_against_roll(rounds=10)


@pytest.mark.parametrize(
    ("answer", "is_late"),
    [
        (Answer(1.0, 1.1, "VALID"), False),
        (Answer(2.1, 2.2, "VALID"), False),  # asked for while the change was made
        (Answer(2.1, 2.2, "REVOKED"), False),
        (Answer(2.6, 2.7, "VALID"), True),
        (Answer(1.0, 1.9, "REVOKED"), True),  # answered before the change began
        (Answer(2.6, 2.7, "NOT_FOUND"), True),
        (Answer(2.6, 2.7, "ACTIVE"), True),
        (Answer(2.6, 2.7, "INACTIVE"), False),
        (Answer(2.6, 2.7, "503"), False),
    ],
)
def test_the_recorder_knows_a_late_answer(answer: Answer, is_late: bool) -> None:
    changes = [Change(0.0, 0.5, "VALID"), Change(2.0, 2.5, "REVOKED")]
    assert bool(Subject("key", "", "", changes, answers=[answer]).late()) is is_late


def test_what_was_answered_with_a_202_may_still_be_seen() -> None:
    changes = [Change(0.0, 0.5, "VALID"), Change(2.0, 2.5, "REVOKED", is_pending=True)]
    assert Subject("key", "", "", changes, answers=[Answer(2.6, 2.7, "VALID")]).late() == []


ISSUED = Change(0.0, 0.5, "VALID")
PENDING = Change(2.0, 3.5, "REVOKED", is_pending=True)
REFUSED = Answer(2.1, 2.2, "REVOKED", "1")


@pytest.mark.parametrize(
    ("answer", "is_back"),
    [
        (Answer(2.15, 2.3, "VALID", "1"), False),  # asked before the refusal was read
        (Answer(2.3, 2.4, "VALID", "1"), True),
        (Answer(2.3, 2.4, "VALID", "2"), False),  # another process, before the change has answered
        (Answer(2.3, 2.4, "ACTIVE", "1"), True),
        (Answer(3.1, 3.2, "VALID", "2"), True),  # a lease after the refusal
        (Answer(3.1, 3.2, "INACTIVE", "2"), False),
        (Answer(3.1, 3.2, "503", "1"), False),
    ],
)
def test_the_recorder_knows_an_answer_that_goes_back(answer: Answer, is_back: bool) -> None:
    assert bool(Subject("key", "", "", [ISSUED, PENDING], answers=[answer, REFUSED]).back()) is is_back


def test_once_a_change_has_answered_no_process_goes_back() -> None:
    soon = Change(2.0, 2.25, "REVOKED", is_pending=True)
    answers = [REFUSED, Answer(2.3, 2.4, "VALID", "2")]
    assert Subject("key", "", "", [ISSUED, soon], answers=answers).back()


def test_a_state_that_comes_again_is_not_back() -> None:
    changes = [ISSUED, Change(2.0, 2.1, "DISABLED"), Change(3.0, 3.1, "VALID")]
    answers = [Answer(2.5, 2.6, "DISABLED", "1"), Answer(3.5, 3.6, "VALID", "1"), Answer(3.7, 3.8, "VALID", "2")]
    assert Subject("key", "", "", changes, answers=answers).back() == []
