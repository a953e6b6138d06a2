"""A change is told to the caches before it answers, or its names wait in the outbox."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from keys.models import RevokeReason
from keys.pages.presenters import spread_words
from keys.services.credentials import disable_credential, enable_credential, revoke_credential
from keys.services.errors import AlreadyDone
from keys.services.keys import IssuedKey
from keys.services.secrets import roll_credential
from keys.validation import wiring
from portal import outbox
from portal.audit import Actor
from portal.models import OutboxEntry
from portal.outbox import Pending, Propagation

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
LATER = datetime(2099, 1, 1, tzinfo=UTC)


class Caches:
    """What was told, and whether all were there to hear it."""

    def __init__(self) -> None:
        self.told: list[set[str]] = []
        self.announced: list[set[str]] = []
        self.pending: Pending | None = None
        self.processes: int | None = None
        self.breaks = False

    def flush(self, names: Iterable[str]) -> int | Pending | None:
        """Hear."""
        if self.breaks:
            raise RuntimeError("the process died")
        self.told.append(set(names))
        return self.pending or self.processes

    def announce(self, names: Iterable[str]) -> bool:
        """Hear, and be waited for by nobody."""
        self.announced.append(set(names))
        return True


@pytest.fixture
def caches(issued: IssuedKey) -> Iterator[Caches]:
    """Caches that hear of all that comes after the key was issued."""
    caches = Caches()
    outbox.register_flush(caches.flush)
    yield caches
    outbox.register_flush(None)


def test_a_change_is_told_and_leaves_nothing_behind(issued: IssuedKey, as_ada: Actor, caches: Caches) -> None:
    spread = disable_credential(issued.credential, by=as_ada).propagation
    assert caches.told == [{f"secret:{bytes(issued.secret.digest).hex()}"}]
    assert spread.effective_by is None
    assert not OutboxEntry.objects.exists()


def test_a_change_says_after_how_long_and_by_how_many_processes_it_was_heard(
    issued: IssuedKey, as_ada: Actor, caches: Caches
) -> None:
    caches.processes = 4
    spread = disable_credential(issued.credential, by=as_ada).propagation
    assert (spread.processes, spread.effective_by) == (4, None)
    assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        (Propagation(12, processes=4), "Refused everywhere after 12 ms, by 4 processes."),
        (Propagation(0, processes=1), "Refused everywhere after less than 1 ms, by 1 process."),
        (Propagation(3, processes=0), "Refused everywhere after 3 ms."),
        (Propagation(1200), "Refused everywhere after 1200 ms."),
        (Propagation(0), "Refused now."),
        (
            Propagation(5, LATER),
            "Refused everywhere usually within 2 seconds, at the latest by Thu 1 Jan 2099, 00:00 UTC.",
        ),
    ],
)
def test_people_are_told_what_is_known_of_it(spread: Propagation, words: str) -> None:
    assert spread.words("Refused") == words


def test_a_repeat_that_changes_nothing_is_told_as_well(issued: IssuedKey, as_ada: Actor, caches: Caches) -> None:
    for _ in range(3):
        revoke_credential(issued.credential, reason=RevokeReason.OTHER, by=as_ada)
    assert len(caches.told) == 3


def test_what_could_not_be_told_waits_in_the_outbox(issued: IssuedKey, as_ada: Actor, caches: Caches) -> None:
    caches.pending = Pending(LATER)
    assert revoke_credential(issued.credential, reason=RevokeReason.OTHER, by=as_ada).propagation.effective_by == LATER
    assert outbox.flush_outbox() == 0
    caches.pending = None
    assert outbox.flush_outbox() == 1
    assert caches.told[-1] == caches.told[0]
    assert not OutboxEntry.objects.exists()


def test_no_change_has_spread_before_what_another_could_not_tell(
    issued: IssuedKey, as_ada: Actor, caches: Caches
) -> None:
    caches.pending = Pending(LATER)
    disable_credential(issued.credential, by=as_ada)
    caches.pending = None
    OutboxEntry.objects.update(names=["secret:moved away from"])  # as by a re-digest: no later change names it
    assert revoke_credential(issued.credential, reason=RevokeReason.OTHER, by=as_ada).propagation.effective_by is None
    assert "secret:moved away from" in caches.told[-1]
    assert not OutboxEntry.objects.exists()


def test_nor_while_more_is_left_than_is_told_at_once(issued: IssuedKey, as_ada: Actor, caches: Caches) -> None:
    OutboxEntry.objects.bulk_create(OutboxEntry(names=[f"org:{number}"]) for number in range(outbox.AT_ONCE))
    assert disable_credential(issued.credential, by=as_ada).propagation.effective_by is not None
    assert enable_credential(issued.credential, by=as_ada).propagation.effective_by is None


def test_a_form_sent_twice_is_answered_once_what_it_did_is_told(
    issued: IssuedKey, as_ada: Actor, caches: Caches
) -> None:
    form = uuid4()
    caches.breaks = True
    with pytest.raises(RuntimeError, match="died"):
        roll_credential(issued.credential, overlap=timedelta(0), by=as_ada, submission=form)
    caches.breaks = False
    with pytest.raises(AlreadyDone):
        roll_credential(issued.credential, overlap=timedelta(0), by=as_ada, submission=form)
    assert f"secret:{bytes(issued.secret.digest).hex()}" in caches.told[-1]
    assert not OutboxEntry.objects.exists()


def test_a_process_that_dies_before_it_tells_leaves_the_names(issued: IssuedKey, as_ada: Actor, caches: Caches) -> None:
    caches.breaks = True
    with pytest.raises(RuntimeError, match="died"):
        revoke_credential(issued.credential, reason=RevokeReason.OTHER, by=as_ada)
    caches.breaks = False
    assert outbox.flush_outbox() == 1
    assert len(caches.told) == 1


def test_a_process_that_serves_goes_on_telling_what_others_could_not(
    issued: IssuedKey, as_ada: Actor, caches: Caches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "DRAIN_EVERY_S", 0.01)
    caches.breaks = True
    with pytest.raises(RuntimeError, match="died"):
        disable_credential(issued.credential, by=as_ada)

    async def drain() -> None:
        draining = asyncio.create_task(wiring.drain_outbox())
        await asyncio.sleep(0.1)  # it fails, and tries again
        caches.breaks = False
        while not caches.told:  # noqa: ASYNC110  # another thread hears
            await asyncio.sleep(0.01)
        draining.cancel()

    asyncio.run(asyncio.wait_for(drain(), timeout=20))
    assert caches.told[0] == {f"secret:{bytes(issued.secret.digest).hex()}"}
    assert not OutboxEntry.objects.exists()


def test_many_changes_together_are_told_once(issued: IssuedKey, as_ada: Actor, caches: Caches) -> None:
    with outbox.batch_changes() as group:
        inside = disable_credential(issued.credential, by=as_ada).propagation
        enable_credential(issued.credential, by=as_ada)
        assert caches.told == []
        assert OutboxEntry.objects.count() == 2
    assert inside.effective_by is not None
    assert group.spread.effective_by is None
    assert len(caches.told) == 1
    assert not OutboxEntry.objects.exists()


def test_what_was_changed_before_one_of_many_failed_is_told(issued: IssuedKey, as_ada: Actor, caches: Caches) -> None:
    def disable_and_fail() -> None:
        with outbox.batch_changes():
            disable_credential(issued.credential, by=as_ada)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        disable_and_fail()
    assert len(caches.told) == 1


def test_what_was_left_is_announced_and_stays_until_every_process_has_heard(
    issued: IssuedKey, as_ada: Actor, caches: Caches
) -> None:
    caches.pending = Pending(LATER)
    assert outbox.announce_left()
    disable_credential(issued.credential, by=as_ada)
    assert not outbox.announce_left()  # nobody can
    outbox.register_flush(caches.flush, announce=caches.announce)
    assert outbox.announce_left()
    assert caches.announced == [{f"secret:{bytes(issued.secret.digest).hex()}"}]
    assert OutboxEntry.objects.count() == 1


def test_it_is_not_all_announced_where_more_is_left_than_is_read_at_once(issued: IssuedKey) -> None:
    outbox.register_flush(None, announce=lambda _: True)
    OutboxEntry.objects.bulk_create(OutboxEntry(names=[f"org:{number}"]) for number in range(outbox.AT_ONCE))
    assert not outbox.announce_left()
    OutboxEntry.objects.first().delete()  # type: ignore[union-attr]
    assert outbox.announce_left()
    outbox.register_flush(None)


@pytest.mark.parametrize("is_refused", [False, True])
def test_two_seconds_are_not_promised_where_redis_refused(
    issued: IssuedKey, as_ada: Actor, caches: Caches, is_refused: bool
) -> None:
    caches.pending = Pending(LATER, is_refused)
    spread = disable_credential(issued.credential, by=as_ada).propagation
    words = spread_words("Refused", spread)
    assert "at the latest by Thu 1 Jan 2099" in words
    assert ("2 seconds" in words) is not is_refused
