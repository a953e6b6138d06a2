"""When a process may use its own copies: each rule, and what it keeps from happening."""

import msgspec
import pytest

from keys.validation.cache.local import MAX_READS, MAX_UNKNOWN, Copy, Load, LocalCache
from keys.validation.types import OrganizationSnapshot, Snapshot

NAME = "org:org_1"
ACME = OrganizationSnapshot(organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=False)
NOW = 1000.0


def copy(now: float = NOW) -> Copy:
    return Copy(ACME, refresh_at=now + 15, fresh_until=now + 30, kept_until=now + 300)


@pytest.fixture
def local() -> LocalCache:
    """A process that has just heard its own ping."""
    local = LocalCache(max_copies=3, fresh_s=30)
    local.extend_lease(local.begin_epoch(), NOW + 0.8)
    return local


def holds(local: LocalCache, name: str, now: float) -> bool:
    return name in local.read([name], now)[0]


def knows_none(local: LocalCache, name: str, now: float) -> bool:
    return local.read([name], now) == ({}, [])


def stored(local: LocalCache, load: Load) -> bool:
    local.finish(load, copy())
    return holds(local, load.name, NOW)


def test_what_was_loaded_under_a_lease_is_kept(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    assert len(local) == 1


def test_nothing_is_kept_that_changed_while_it_was_loading(local: LocalCache) -> None:
    load = local.begin_load(NAME, NOW)
    local.invalidate([NAME])
    assert not stored(local, load)


def test_every_load_of_a_name_is_marked(local: LocalCache) -> None:
    first, second = local.begin_load(NAME, NOW), local.begin_load(NAME, NOW)
    local.invalidate([NAME])
    assert not stored(local, first)
    assert not stored(local, second)


def test_an_invalidation_of_another_name_marks_nothing(local: LocalCache) -> None:
    load = local.begin_load(NAME, NOW)
    local.invalidate(["org:org_2"])
    assert stored(local, load)


def test_nothing_is_kept_over_a_new_subscription(local: LocalCache) -> None:
    load = local.begin_load(NAME, NOW)
    local.extend_lease(local.begin_epoch(), NOW + 0.8)
    assert not stored(local, load)


def test_nothing_is_kept_that_began_without_a_lease(local: LocalCache) -> None:
    late = NOW + 0.8
    load = local.begin_load(NAME, late)
    local.extend_lease(local.epoch, late + 0.8)
    assert not stored(local, load)


def test_a_new_subscription_empties_the_copies_and_the_lease(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    local.begin_epoch()
    assert not holds(local, NAME, NOW)
    assert not local.has_lease(NOW)


def test_a_pong_of_an_earlier_subscription_extends_nothing(local: LocalCache) -> None:
    earlier = local.epoch
    local.begin_epoch()
    local.extend_lease(earlier, NOW + 100)
    local.extend_lease(None, NOW + 100)
    assert not local.has_lease(NOW)


def test_a_lease_ends_by_itself_and_is_never_cut_by_a_late_pong(local: LocalCache) -> None:
    local.extend_lease(local.epoch, NOW + 0.5)
    assert local.has_lease(NOW + 0.7)
    assert not local.has_lease(NOW + 0.8)


def test_a_load_is_shared_only_while_a_copy_as_old_could_be_used(local: LocalCache) -> None:
    load = local.begin_load(NAME, NOW)
    assert local.is_shared(load, NOW + 0.1)
    assert not local.is_shared(load, NOW + 0.8)  # the lease is over
    local.extend_lease(local.epoch, NOW + 60)
    assert local.is_shared(load, NOW + 29)
    assert not local.is_shared(load, NOW + 30)  # as a copy would be, it is too old
    local.invalidate([NAME])
    assert not local.is_shared(load, NOW + 1)


def test_a_copy_is_fresh_and_then_kept_for_an_outage(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    local.extend_lease(local.epoch, NOW + 1000)
    assert not holds(local, NAME, NOW + 30)
    assert local.get_kept(NAME, NOW + 299) is not None
    assert local.get_kept(NAME, NOW + 300) is None


def test_a_copy_kept_for_an_outage_needs_the_lease_too(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    assert local.get_kept(NAME, NOW + 0.8) is None


def test_an_unknown_name_is_remembered_for_a_moment_and_forgotten_when_it_is_made(local: LocalCache) -> None:
    local.extend_lease(local.epoch, NOW + 10)
    local.finish(local.begin_load(NAME, NOW), None)
    assert knows_none(local, NAME, NOW + 4.9)
    assert not knows_none(local, NAME, NOW + 5)
    local.invalidate([NAME])
    assert not knows_none(local, NAME, NOW)


def test_what_was_unknown_while_it_was_made_is_not_remembered(local: LocalCache) -> None:
    load = local.begin_load(NAME, NOW)
    local.invalidate([NAME])
    local.finish(load, None)
    assert not knows_none(local, NAME, NOW)


def test_the_least_recently_used_copy_goes_first(local: LocalCache) -> None:
    for number in range(3):
        local.finish(local.begin_load(f"org:{number}", NOW), copy())
    local.read(["org:0"], NOW)
    local.finish(local.begin_load("org:3", NOW), copy())
    assert [number for number in range(4) if holds(local, f"org:{number}", NOW)] == [0, 2, 3]


def test_strangers_cannot_fill_the_memory_with_unknown_names(local: LocalCache) -> None:
    for number in range(MAX_UNKNOWN + 1):
        local.finish(local.begin_load(f"secret:{number}", NOW), None)
    assert not knows_none(local, "secret:0", NOW)
    assert knows_none(local, f"secret:{MAX_UNKNOWN}", NOW)


def test_a_message_nobody_can_read_drops_everything(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    load = local.begin_load("org:org_2", NOW)
    local.forget()
    assert not holds(local, NAME, NOW)
    assert not stored(local, load)


def test_whoever_has_something_on_account_of_a_copy_is_told_when_it_is_invalidated() -> None:
    told: list[Snapshot] = []
    local = LocalCache(max_copies=3, fresh_s=30, on_invalidated=told.append)
    local.begin_epoch()
    local.extend_lease(local.epoch, NOW + 10)
    kept = copy()
    local.finish(local.begin_load(NAME, NOW), kept)
    local.invalidate([NAME, "org:unknown"])
    assert told == [kept.snapshot]


def test_an_answer_that_may_not_be_stored_drops_the_copy_before_it(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    local.finish(local.begin_load(NAME, NOW + 1), copy())  # without a lease
    local.extend_lease(local.epoch, NOW + 3)
    assert not holds(local, NAME, NOW + 2)


def test_a_shared_copy_that_was_read_before_the_answer_is_not_accepted(local: LocalCache) -> None:
    local.note_read(NAME, NOW)
    assert [local.accepts(NAME, NOW + age) for age in (-1, 0, 1)] == [False, True, True]
    assert local.accepts("org:org_2", NOW - 1)


def test_once_redis_has_stored_the_answer_what_is_there_is_accepted(local: LocalCache) -> None:
    local.note_read(NAME, NOW)
    local.note_shared(NAME, NOW)
    assert local.accepts(NAME, NOW - 1)


def test_that_an_earlier_answer_was_stored_says_nothing_of_the_last(local: LocalCache) -> None:
    local.note_read(NAME, NOW)
    local.note_read(NAME, NOW + 1)
    local.note_shared(NAME, NOW)
    assert [local.accepts(NAME, NOW + age) for age in (0, 1)] == [False, True]


def test_a_copy_that_is_used_after_half_its_time_is_returned_and_to_be_loaded(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    local.extend_lease(local.epoch, NOW + 100)
    assert local.read([NAME], NOW + 14) == ({NAME: ACME}, [])
    assert local.read([NAME], NOW + 15) == ({NAME: ACME}, [NAME])
    assert local.read([NAME], NOW + 30) == ({}, [NAME])


def test_a_refresh_that_is_put_off_makes_no_copy_last_longer(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    local.extend_lease(local.epoch, NOW + 100)
    local.put_off_refresh(NAME, NOW + 20)
    assert local.read([NAME], NOW + 19) == ({NAME: ACME}, [])
    assert local.read([NAME], NOW + 20) == ({NAME: ACME}, [NAME])
    local.put_off_refresh(NAME, NOW + 50)
    local.put_off_refresh("org:unknown", NOW + 50)
    assert local.read([NAME], NOW + 30) == ({}, [NAME])


def test_a_snapshot_that_is_read_again_unchanged_stays_the_same_object(local: LocalCache) -> None:
    again = msgspec.structs.replace(ACME)
    changed = msgspec.structs.replace(ACME, name="Initech")
    for snapshot, expected in ((ACME, ACME), (again, ACME), (changed, changed)):
        local.finish(local.begin_load(NAME, NOW), Copy(snapshot, NOW + 15, NOW + 30, NOW + 300))
        assert local.read([NAME], NOW)[0][NAME] is expected


def test_of_reads_that_are_no_longer_remembered_nothing_older_is_accepted(local: LocalCache) -> None:
    for number in range(MAX_READS + 2):
        local.note_read(f"org:{number}", NOW + number)
    assert not local.accepts("org:0", NOW)
    assert not local.accepts("org:unread", NOW)
    assert local.accepts("org:unread", NOW + 1)


def test_a_hint_drops_copies_and_bars_what_was_shared_before_it(local: LocalCache) -> None:
    assert stored(local, local.begin_load(NAME, NOW))
    load = local.begin_load(NAME, NOW)
    local.doubt([NAME], NOW + 0.5)
    assert not local.accepts(NAME, NOW + 0.4)
    assert not holds(local, NAME, NOW)
    assert not stored(local, load)
