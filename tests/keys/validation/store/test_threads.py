"""The threads of the hot path keep to themselves: pages cannot take what they work with."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import OperationalError, connection, connections

from keys.validation.store.threads import Busy, SharedThreads
from keys.validation.store.turns import Owner

ACME, INITECH = Owner("org_acme"), Owner("org_initech")


@pytest.fixture
def threads() -> Iterator[SharedThreads]:
    """Two threads, of which one owner may have one, with room for three jobs of an owner."""
    made = SharedThreads("tests", threads=2, each=3)
    yield made
    made.stop()


def select_one() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


def close() -> None:
    connection.close()  # the thread's that calls


def close_pool() -> None:
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Threads of pages, which share one pooled connection."""
    pool = {"min_size": 0, "max_size": 1, "timeout": 0.2}
    with monkeypatch.context() as pooled, ThreadPoolExecutor(2) as made:
        pooled.setitem(connections.settings["default"]["OPTIONS"], "pool", pool)
        yield made
        made.submit(close_pool).result()


@pytest.mark.django_db(transaction=True)
def test_pages_that_hold_every_pooled_connection_keep_no_validation_waiting(
    pages: ThreadPoolExecutor, threads: SharedThreads
) -> None:
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        select_one()
        is_held.set()
        is_over.wait(10)
        connection.close()

    held = pages.submit(hold)
    assert is_held.wait(10)
    with pytest.raises(OperationalError):
        pages.submit(select_one).result()
    assert threads.submit(ACME, select_one).result(timeout=10) == 1
    is_over.set()
    held.result()
    threads.submit(ACME, close).result()


def test_an_owner_that_fills_its_share_leaves_a_thread_to_others(threads: SharedThreads) -> None:
    is_over = threading.Event()
    flood = [threads.submit(ACME, partial(is_over.wait, 10)) for _ in range(3)]
    with pytest.raises(Busy):
        threads.submit(ACME, partial(is_over.wait, 10))
    assert threads.submit(INITECH, lambda: "done").result(timeout=10) == "done"
    assert flood[2].cancel()
    assert threads.jobs == 2
    is_over.set()
    assert [each.result(timeout=10) for each in flood[:2]] == [True, True]


def test_what_a_job_raises_is_told_to_whoever_waits_and_the_next_is_done(threads: SharedThreads) -> None:
    failing = threads.submit(ACME, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failing.result(timeout=10)
    assert threads.submit(ACME, lambda: "done").result(timeout=10) == "done"
