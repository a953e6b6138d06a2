"""Make stores refuse writes and still answer reads, in each way that occurs in production."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
from django.db import connection

from tests.support.devservices import Service


def _as_replica(client: "redis.Redis", _service: Service) -> None:
    """READONLY, as after a failover. The primary cannot be reached, so the server keeps its data."""
    client.replicaof("127.0.0.1", "1")


def _without_replicas(client: "redis.Redis", _service: Service) -> None:
    """NOREPLICAS: fewer replicas than ``min-replicas-to-write``."""
    client.config_set("min-replicas-to-write", "1")


def _unable_to_save(client: "redis.Redis", service: Service) -> None:
    """MISCONF: the last save failed, since the folder is missing."""
    shutil.rmtree(service._folder, ignore_errors=True)
    client.config_set("save", "3600 1")
    client.bgsave(schedule=False)
    while client.info("persistence")["rdb_last_bgsave_status"] != "err":
        pass


def _writable(client: "redis.Redis") -> None:
    client.replicaof("NO", "ONE")
    client.config_set("min-replicas-to-write", "0")
    client.config_set("save", "")


REFUSALS: dict[str, Callable[["redis.Redis", Service], None]] = {
    "a replica": _as_replica,
    "without replicas": _without_replicas,
    "unable to save": _unable_to_save,
}
# One way in each run of the suite, the others in `make prove`.
WAYS = [pytest.param(how, marks=[pytest.mark.prove] if at else []) for at, how in enumerate(REFUSALS)]


@contextmanager
def refusing(service: Service, how: str) -> Iterator[None]:
    """Make the server refuse writes in one way of ``REFUSALS``."""
    with redis.Redis.from_url(service.url) as client:
        REFUSALS[how](client, service)
        try:
            yield
        finally:
            _writable(client)


@contextmanager
def read_only() -> Iterator[None]:
    """Make the test's own connection to PostgreSQL refuse writes."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
