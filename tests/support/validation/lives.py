"""Test the whole life of API keys: random operations in sequence, with the verdicts of every process after each.

A hypothesis state machine issues, edits, pauses, rolls and revokes keys, suspends their organizations, disables their
APIs and lets time pass. Services have to refuse the same operations as the model. Every change has to be propagated
when it returns. Then several cached engines, side by side over a real Valkey and PostgreSQL, have to give the model's
verdicts.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from keys.models import Api, ApiKey, Environment, KeySecret, RevokeReason
from keys.services.api_secrets import issue_api_secret
from keys.services.apis import ApiSettings, ScopeSettings, create_api, disable_api, enable_api
from keys.services.credentials import disable_credential, enable_credential, revoke_credential
from keys.services.errors import Invalid, Refused
from keys.services.keys import KeySettings, edit_key, issue_key
from keys.services.secrets import end_old_secret, extend_overlap, roll_credential
from keys.validation.api_keys import UnknownCaller, parse_api_secret
from keys.validation.cache.invalidation import flush, forget_all_copies
from keys.validation.cache.local import LocalCache
from keys.validation.engine import Engine
from keys.validation.store.database import Unavailable
from keys.validation.types import Call
from keys.validation.usage.queue import flush_batch
from keys.validation.usage.recorder import UsageRecorder
from keys.validation.wiring import HotPath
from portal import outbox
from portal.audit import COMMAND
from portal.models import Organization
from portal.services.organizations import resume_organization, suspend_organization
from tests.support.validation.life_model import IS_USE, NETWORK, OUTSIDE, WITHIN, Key, Model, Secret
from tests.support.validation.side_by_side import running

SCOPES = ("orders:read", "orders:write")
ATTEMPTS = 5
QUESTIONS = ((WITHIN, "orders:read"), (OUTSIDE, "orders:write"))
Result = TypeVar("Result")
both = st.integers(0, 1)
ends = st.sampled_from([None, None, 1, 60, 3600, 86_400])  # seconds from now
starts = st.sampled_from([None, None, None, 1, 60])
rarely = st.sampled_from([False, False, True])
overlaps = st.sampled_from([0, 60, 3600])
scopes = st.sampled_from([(), SCOPES[:1], SCOPES])
networks = st.sampled_from([(), (NETWORK,)])


@dataclass
class World:
    """Engines in the role of processes, on their own event loop, with counts of codes and changes."""

    loop: asyncio.AbstractEventLoop
    engines: list[Engine]
    own_copies: list[LocalCache] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    changes: int = 0

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the loop from another thread; returns its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@contextmanager
def world(processes: int) -> Iterator[World]:
    """Run a number of processes to which every change is propagated."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = World(loop, [])
    side_by_side = running(processes)
    try:
        for process in made.run(side_by_side.__aenter__()):
            made.engines.append(HotPath(process.snapshots, usage=UsageRecorder(flush_batch)).engine)
            made.own_copies.append(process.local)
        outbox.register_flush(flush)
        yield made
    finally:
        outbox.register_flush(None)
        made.run(side_by_side.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Lives(RuleBasedStateMachine):
    """Two organizations with keys for two APIs."""

    world: World  # set by the test that runs the machine
    keys = Bundle("keys")

    @initialize()
    def begin(self) -> None:
        """Make two organizations and two APIs, and stop the clock."""
        self.model = Model(datetime.now(UTC).replace(microsecond=0))
        clock = SimpleNamespace(
            monotonic=time.monotonic, monotonic_ns=time.monotonic_ns, perf_counter=time.perf_counter
        )
        clock.time = lambda: self.model.now.timestamp()  # noqa: PLW0108  # it moves
        self.patches: list[Any] = [
            patch("django.utils.timezone.now", lambda: self.model.now),
            patch("keys.validation.engine.time", clock),
            patch("keys.validation.usage.recorder.time", clock),
        ]
        for each in self.patches:
            each.start()
        wanted = ApiSettings("Orders", {name: ScopeSettings(name) for name in SCOPES})
        identifiers = [f"https://{Api.objects.count() + number}.example.com" for number in range(2)]
        self.apis = [create_api(identifier, wanted, by=COMMAND).api for identifier in identifiers]
        self.organizations = [Organization.objects.create(name=f"Organization {number}") for number in range(2)]
        self.api_secrets = [
            issue_api_secret(api, name="Backend", environment=Environment.LIVE, by=COMMAND).secret_text
            for api in self.apis
        ]

    def teardown(self) -> None:
        """Let the clock run again."""
        for each in getattr(self, "patches", []):
            each.stop()

    # --- operations ----------------------------------------------------------------------------------------------

    @rule(target=keys, organization=both, api=both, scopes=scopes, expires_in=ends, starts_in=starts)
    def issue(
        self, organization: int, api: int, scopes: tuple[str, ...], expires_in: int | None, starts_in: int | None
    ) -> Key:
        """Issue a key; refused if its organization is suspended, its API disabled or its end not after its start."""
        key = Key("", organization, api, scopes=scopes, not_before=self._in(starts_in), expires_at=self._in(expires_in))
        wanted = _settings(key)
        is_open = organization not in self.model.suspended and api not in self.model.disabled
        made = self._do(
            lambda: issue_key(
                self.organizations[organization], self.apis[api], wanted, environment=Environment.LIVE, by=COMMAND
            ),
            is_allowed=is_open and _begins_first(key),
        )
        if made is None:  # refused: the model's key counts as revoked
            key.is_revoked = True
            return key
        key.public_id, key.secrets = made.credential.public_id, [Secret(made.secret.public_id, made.secret_text)]
        self.model.keys.append(key)
        return key

    @rule(key=keys, scopes=scopes, networks=networks, expires_in=ends, starts_in=starts)
    def edit(
        self,
        key: Key,
        scopes: tuple[str, ...],
        networks: tuple[str, ...],
        expires_in: int | None,
        starts_in: int | None,
    ) -> None:
        """Edit the settings; refused for a key that is revoked or expired."""
        wanted = Key("", 0, 0, [], scopes, networks, self._in(starts_in), self._in(expires_in))
        is_allowed = not self.model.is_over(key) and _begins_first(wanted)
        if self._to(key, lambda row: edit_key(row, _settings(wanted), by=COMMAND), is_allowed=is_allowed):
            key.scopes, key.networks = scopes, networks
            key.not_before, key.expires_at = wanted.not_before, wanted.expires_at

    @rule(key=keys, is_disabled=rarely)
    def pause_or_resume(self, key: Key, is_disabled: bool) -> None:
        """Pause or resume the key; refused for a revoked key."""
        change = disable_credential if is_disabled else enable_credential
        if self._to(key, lambda row: change(row, by=COMMAND), is_allowed=not key.is_revoked):
            key.is_disabled = is_disabled

    @rule(key=keys)
    def revoke(self, key: Key) -> None:
        """Revoke the key."""
        if self._to(key, lambda row: revoke_credential(row, reason=RevokeReason.OTHER, by=COMMAND), is_allowed=True):
            key.is_revoked = True

    @rule(key=keys, overlap_s=overlaps)
    def roll(self, key: Key, overlap_s: int) -> None:
        """Roll the key; refused for a key that is revoked or expired."""
        overlap = timedelta(seconds=overlap_s)
        made = self._to(
            key, lambda row: roll_credential(row, overlap=overlap, by=COMMAND), is_allowed=not self.model.is_over(key)
        )
        if made:
            self.model.roll(key, overlap, Secret(made.secret.public_id, made.secret_text))

    @rule(key=keys, which=st.integers(-3, -1))
    def end_secret(self, key: Key, which: int) -> None:
        """End one of the key's secrets; refused for the newest."""
        secret = (key.secrets * 3)[which] if key.secrets else None
        if secret is None:
            return
        works = self.model.works(secret)
        is_allowed = not works or (not self.model.is_over(key) and secret.ends_at is not None)
        row = _row(secret)
        done = self._do(lambda: end_old_secret(row.key, row, by=COMMAND), is_allowed=is_allowed)
        if done and works:
            secret.ends_at = self.model.now

    @rule(key=keys, which=st.integers(-3, -1), by_s=st.sampled_from([1, 7200]))
    def extend(self, key: Key, which: int, by_s: int) -> None:
        """Move the end of an old secret that still works."""
        secret = (key.secrets * 3)[which] if key.secrets else None
        if secret is None:
            return
        ends_at = self.model.now + timedelta(seconds=by_s)
        is_allowed = self.model.works(secret) and secret.ends_at is not None and not self.model.is_over(key)
        if self._do(
            lambda: extend_overlap(_row(secret).key, _row(secret), ends_at=ends_at, by=COMMAND), is_allowed=is_allowed
        ):
            secret.ends_at = ends_at if key.expires_at is None else min(ends_at, key.expires_at)

    @rule(organization=both, is_suspended=rarely)
    def suspend_or_resume(self, organization: int, is_suspended: bool) -> None:
        """Suspend or resume an organization, with all its keys."""
        change = suspend_organization if is_suspended else resume_organization
        self._do(lambda: change(self.organizations[organization], by=COMMAND), is_allowed=True)
        (self.model.suspended.add if is_suspended else self.model.suspended.discard)(organization)

    @rule(api=both, is_disabled=rarely)
    def disable_or_enable(self, api: int, is_disabled: bool) -> None:
        """Disable or enable an API, with its backends."""
        change = disable_api if is_disabled else enable_api
        self._do(lambda: change(self.apis[api], by=COMMAND), is_allowed=True)
        (self.model.disabled.add if is_disabled else self.model.disabled.discard)(api)

    @rule(seconds=st.sampled_from([1, 59, 60, 3600, 86_400]))
    def time_passes(self, seconds: int) -> None:
        """Advance the clock; no sweep runs."""
        self.model.now += timedelta(seconds=seconds)

    @rule()
    def usage_is_written(self) -> None:
        """Write the usage: whether a secret was ever used decides which secret a roll ends."""
        for engine in self.world.engines:
            engine._usage.finish()
        for secret in (secret for key in self.model.keys for secret in key.secrets):
            secret.is_used |= secret.has_uses_to_write
            secret.has_uses_to_write = False

    @rule(is_evicted=rarely)
    def copies_age(self, is_evicted: bool) -> None:
        """Let the next use of each own copy refresh it, from the database if Redis has evicted the shared copy."""
        if is_evicted:
            forget_all_copies()
        self.world.run(_make_due(self.world.own_copies))

    # --- verdicts ------------------------------------------------------------------------------------------------

    @invariant()
    def every_process_answers_what_the_model_says(self) -> None:
        """Compare the codes of all engines with the model, for every secret and the backends of both APIs."""
        expected, asked = [], []
        for key in getattr(self, "model", Model(datetime.now(UTC))).keys:
            for secret in key.secrets:
                for api in range(2):
                    for address, scope in QUESTIONS:
                        code = self.model.code(key, secret, asked_by=api, address=address, scope=scope)
                        secret.has_uses_to_write |= code in IS_USE
                        expected.append(code)
                        asked.append((self.api_secrets[api], secret.text, address, scope))
        for answers in self.world.run(_ask_all(self.world.engines, asked)):
            assert answers == expected
            self.world.codes.update(answers)

    # --- helpers -------------------------------------------------------------------------------------------------

    def _in(self, seconds: int | None) -> datetime | None:
        return None if seconds is None else self.model.now + timedelta(seconds=seconds)

    def _to(self, key: Key, change: Callable[[ApiKey], Any], *, is_allowed: bool) -> Any:
        if not key.public_id:
            return None
        row = ApiKey.objects.select_related("organization", "api").get(public_id=key.public_id)
        return self._do(lambda: change(row), is_allowed=is_allowed)

    def _do(self, change: Callable[[], Any], *, is_allowed: bool) -> Any:
        """The result of the change, or None if it is refused; fails unless the model agrees."""
        try:
            done = change()
        except (Invalid, Refused):
            assert not is_allowed
            return None
        assert is_allowed
        assert done.propagation.effective_by is None
        self.world.changes += 1
        return done


async def _make_due(own_copies: list[LocalCache]) -> None:
    for each in own_copies:
        for name in each._copies:
            each.put_off_refresh(name, 0.0)


async def _ask_all(engines: list[Engine], asked: list[tuple[str, str, str, str]]) -> list[list[str]]:
    return await asyncio.gather(*(_ask_in_turn(engine, asked) for engine in engines))


async def _ask_in_turn(engine: Engine, asked: list[tuple[str, str, str, str]]) -> list[str]:
    return [await _ask(engine, *question) for question in asked]


async def _ask(
    engine: Engine, api_secret: str, credential: str, address: str, scope: str, *, attempts: int = ATTEMPTS
) -> str:
    call = Call(scopes=frozenset([scope]), address=address)
    try:
        result = await engine.validate(parse_api_secret(api_secret), credential, call, caller_address=None)
    except UnknownCaller:
        return "401"
    except Unavailable:  # no verdict within a second on a busy machine is not a wrong verdict: retry
        if attempts == 1:
            raise
        return await _ask(engine, api_secret, credential, address, scope, attempts=attempts - 1)
    return result.code.value


def _settings(key: Key) -> KeySettings:
    return KeySettings(
        "a key",
        scopes=key.scopes,
        networks=key.networks,
        not_before=key.not_before,
        expires_at=key.expires_at,
    )


def _begins_first(key: Key) -> bool:
    return key.not_before is None or key.expires_at is None or key.not_before < key.expires_at


def _row(secret: Secret) -> KeySecret:
    return KeySecret.objects.select_related("key__organization").get(public_id=secret.public_id)
