"""After a restore nothing that was refused since the backup lives again by itself, and no place is given twice."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command

from keys.models import Api
from keys.validation.store.redis_link import REGISTER, copy_keys
from oauth.models import Client, SigningKey, StatusBlock, StatusList
from oauth.protocol.status_list import LIST_SIZE, SlotSpan, TokenStatus
from oauth.services.restores import settle_restore
from oauth.services.status import Block, lease_block
from oauth.services.tokens import revoke_all_tokens
from oauth.status_lists import read_facts, read_numbers
from portal.audit import COMMAND, Actor, NotAllowed
from portal.models import AuditEvent, Session, User
from tests.support.environment import ON_SQLITE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
Lease = Callable[[], Block]


@pytest.fixture
def lease(oauth_client: Client, api: Api, now: datetime) -> Lease:
    """Leases places for tokens that the client gets now."""

    def lease_now() -> Block:
        generation = Client.objects.get().generation
        return lease_block(oauth_client.public_id, api.public_id, generation=generation, count=16, now=now)

    return lease_now


@pytest.fixture
def go_back(oauth_client: Client, lease: Lease) -> Callable[[], None]:
    """Leads back to how things were when the fixture was made: one list, a block taken, generation 1."""
    block = lease()
    blocks, keys = set(StatusBlock.objects.values_list("pk", flat=True)), list(SigningKey.objects.values())

    def restore() -> None:
        StatusBlock.objects.exclude(pk__in=blocks).delete()
        StatusList.objects.exclude(pk=block.list_number).delete()
        StatusList.objects.update(next_slot=16, struck_at=None)
        Client.objects.update(generation=1)
        StatusBlock.objects.update(signing_key=None)
        SigningKey.objects.all().delete()
        SigningKey.objects.bulk_create(SigningKey(**key) for key in keys)

    return restore


def test_a_generation_that_was_raised_since_the_backup_is_over_after_it(
    oauth_client: Client, go_back: Callable[[], None], now: datetime
) -> None:
    for _ in range(3):
        revoke_all_tokens(oauth_client, by=COMMAND)
    since = Client.objects.get().generation
    go_back()
    settle_restore(by=COMMAND, now=now)
    assert Client.objects.get().generation > since


def test_no_index_is_given_twice_through_two_restores_of_one_backup(
    lease: Lease, go_back: Callable[[], None], now: datetime
) -> None:
    places = [lease()]  # since the backup
    for restored_at in (now, now + timedelta(hours=1)):
        go_back()
        settle_restore(by=COMMAND, now=restored_at)
        places += [lease(), lease()]
    given = [(block.list_number, slot) for block in places for slot in block.slots]
    assert len(set(given)) == len(given)


def test_every_index_of_a_list_that_was_begun_before_is_refused(
    lease: Lease, go_back: Callable[[], None], now: datetime
) -> None:
    number = lease().list_number
    go_back()
    StatusBlock.objects.update(ends_at=now - timedelta(days=1))  # the backup is old, tokens since are not
    settle_restore(by=COMMAND, now=now)
    assert read_facts(number).spans == (SlotSpan(0, LIST_SIZE, TokenStatus.INVALID),)
    assert number in read_numbers()


def test_a_signing_key_that_was_dropped_since_the_backup_signs_no_more(
    go_back: Callable[[], None], now: datetime
) -> None:
    before = set(SigningKey.objects.values_list("kid", flat=True))
    go_back()
    settle_restore(by=COMMAND, now=now)
    signing = SigningKey.objects.filter(signs_until=None).values_list("kid", flat=True)
    assert signing
    assert before.isdisjoint(signing)


def test_a_session_that_was_ended_since_the_backup_stays_ended(ada: User, now: datetime) -> None:
    ends_at = now + timedelta(days=1)
    Session.objects.create(session_key="k", user=ada, expire_date=ends_at, created_at=now, seen_at=now)
    assert settle_restore(by=COMMAND, now=now).sessions == 1
    assert not Session.objects.exists()


def test_it_is_written_down_and_is_the_operators_alone(oauth_client: Client, as_ada: Actor, now: datetime) -> None:
    with pytest.raises(NotAllowed):
        settle_restore(by=as_ada, now=now)
    settle_restore(by=COMMAND, now=now)
    assert AuditEvent.objects.get(action="database.restored").after == {"clients": 1, "sessions": 0}


@pytest.mark.skipif(ON_SQLITE, reason="embedded, there is no Redis")
def test_without_redis_it_does_nothing_since_copies_could_be_left(
    oauth_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.REDIS_URL", "redis://127.0.0.1:1")
    with pytest.raises(CommandError, match="Redis does not answer"):
        call_command("after_restore")
    assert Client.objects.get().generation == 1


@pytest.mark.skipif(ON_SQLITE, reason="embedded, there is no Redis")
def test_while_web_processes_hold_copies_it_does_nothing(oauth_client: Client, now: datetime) -> None:
    until_ms = (now.timestamp() + 3600) * 1000
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.hset(REGISTER, "a process", str(round(until_ms)))
        try:
            with pytest.raises(CommandError, match="Stop them first"):
                call_command("after_restore")
        finally:
            client.delete(REGISTER)
    assert Client.objects.get().generation == 1


@pytest.mark.skipif(ON_SQLITE, reason="embedded, there is no Redis")
def test_shared_copies_of_what_the_backup_does_not_know_are_deleted(oauth_client: Client) -> None:
    names = [f"secret:{number}" for number in range(3)]
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in copy_keys(names):
            client.set(key, "x")
        call_command("after_restore")
        assert client.exists(*copy_keys(names)) == 0
