"""The worker takes JSON alone, the schedule names tasks that exist, and a broker that is away stops nobody."""

from importlib import import_module

import pytest
import redis
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from django.db import transaction
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings

from portal import celery
from portal.jobs import enqueue_after_commit
from tests.support import environment


def test_messages_are_json_and_nothing_else() -> None:
    assert celery.app.conf.accept_content == ["json"]
    assert celery.app.conf.task_serializer == celery.app.conf.result_serializer == "json"


@pytest.mark.parametrize("name", celery.SCHEDULE)
def test_every_scheduled_task_exists_and_runs_when_there_is_nothing_to_do(db: None, name: str) -> None:
    import_module(name.rpartition(".")[0])
    assert celery.app.tasks[name].delay().result == 0  # so that the log stays silent


def test_the_sweep_that_a_scheduler_of_the_last_release_sends_does_nothing(db: None) -> None:
    import_module("oauth.tasks")
    assert celery.app.tasks["oauth.tasks.record_endings"].delay().result == 0


def test_what_a_dead_worker_left_behind_lapses_by_the_time_the_next_is_due() -> None:
    for entry in celery.app.conf.beat_schedule.values():
        assert entry["options"]["expires"] == entry["schedule"]


@pytest.mark.skipif(environment.ON_SQLITE, reason="embedded, the worker runs beside")
def test_a_day_without_a_worker_leaves_no_heap(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    import_module("keys.tasks")
    monkeypatch.setitem(celery.app.conf, "task_always_eager", False)
    scheduler = celery.PatientScheduler(celery.app, lazy=True)
    entry = ScheduleEntry(app=celery.app, name="fold", task="keys.tasks.fold_usage", schedule=schedule(1))
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        try:
            for _ in range(2 * celery.MAX_WAITING):
                scheduler.apply_entry(entry, producer=scheduler.producer)
            assert broker.llen("celery") == celery.MAX_WAITING
            broker.delete("celery")  # somebody works again
            scheduler.apply_entry(entry, producer=scheduler.producer)
            assert broker.llen("celery") == 1
        finally:
            broker.delete("celery")


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_of_what_was_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    import_module("keys.tasks")
    monkeypatch.setattr(celery.app.tasks["keys.tasks.send_notices"], "delay", lambda: sent.append("now"))
    with transaction.atomic():
        enqueue_after_commit("keys.tasks.send_notices")
        transaction.set_rollback(True)
    with transaction.atomic():
        enqueue_after_commit("keys.tasks.send_notices")
        assert sent == []
    assert sent == ["now"]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_cannot_be_reached_is_no_error_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> None:
        raise OperationalError

    import_module("keys.tasks")
    monkeypatch.setattr(celery.app.tasks["keys.tasks.send_notices"], "delay", unreachable)
    enqueue_after_commit("keys.tasks.send_notices")


def test_embedded_mode_starts_no_worker_that_serve_did_not_start(settings: Settings) -> None:
    settings.EMBEDDED, settings.SERVED = True, False
    with pytest.raises(SystemExit, match="DATABASE_URL is not set"):
        celery.refuse_to_start_alone()
