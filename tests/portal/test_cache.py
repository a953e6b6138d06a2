"""The pages' cache."""

import pickle
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from django.core.cache import caches

from portal.cache import FallbackCache, JsonSerializer


@pytest.fixture
def cache() -> Iterator[FallbackCache]:
    """The real one, on the suite's Valkey."""
    found = caches["default"]
    assert isinstance(found, FallbackCache)
    found.clear()
    FallbackCache._down_until = 0.0
    yield found
    FallbackCache._down_until = 0.0
    found._memory.clear()


@pytest.fixture
def dead() -> Iterator[FallbackCache]:
    """One whose Redis is not there."""
    options = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    FallbackCache._down_until = 0.0
    made = FallbackCache("redis://127.0.0.1:1/0", {key: options[key] for key in ("KEY_PREFIX", "OPTIONS")})
    yield made
    FallbackCache._down_until = 0.0
    made._memory.clear()


def test_what_is_kept_comes_back(cache: FallbackCache) -> None:
    cache.set("throttle", [1.5, 2.5], 60)
    assert cache.get("throttle") == [1.5, 2.5]
    assert cache.add("throttle", 1) is False
    assert cache.get("absent", "default") == "default"
    cache.set("count", 1)
    assert cache.incr("count") == 2
    cache.set_many({"a": 1, "b": "two"})
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": "two"}
    cache.delete_many(["a"])
    assert not cache.has_key("a")
    assert cache.touch("b", 10)
    assert cache.delete("b")


def test_it_is_json_in_redis_never_pickle(cache: FallbackCache) -> None:
    cache.set("throttle", [1.5], 60)
    raw = redis.Redis.from_url(settings.REDIS_URL).get("latchkey:1:throttle")
    assert raw == b"[1.5]"


def test_a_pickle_that_somebody_planted_is_not_run(cache: FallbackCache) -> None:
    redis.Redis.from_url(settings.REDIS_URL).set("latchkey:1:planted", pickle.dumps({"x": 1}))
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        cache.get("planted")


@pytest.mark.parametrize("value", [None, True, 0, -7, 1.5, "text", ["a", 1], {"a": [None]}])
def test_each_plain_value_survives_the_way(value: object) -> None:
    serializer = JsonSerializer()
    dumped = serializer.dumps(value)
    assert serializer.loads(dumped if isinstance(dumped, bytes) else str(dumped).encode()) == value


def test_without_redis_it_still_counts(dead: FallbackCache) -> None:
    assert dead.add("lock", 1, 60) is True
    assert dead.add("lock", 1, 60) is False  # a second one is refused: the throttle holds
    dead.set("count", 1)
    assert dead.incr("count") == 2
    assert dead.get("count") == 2


def test_without_redis_other_threads_and_instances_see_the_same(dead: FallbackCache) -> None:
    dead.set("count", 5)
    twin = FallbackCache("redis://127.0.0.1:1/0", {"KEY_PREFIX": settings.CACHES["default"]["KEY_PREFIX"]})
    assert twin.get("count") == 5


def test_after_a_failure_redis_is_left_alone_for_a_while(dead: FallbackCache, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        dead.get("x")
    assert [record.getMessage() for record in caplog.records].count("cache.unreachable") == 1
    assert "127.0.0.1" not in caplog.text
