"""The pages' cache, used by the sign-in throttles: Redis without pickle, or process memory while Redis is down."""

import json
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
RETRY_AFTER_S = 2.0
MAX_MEMORY_ENTRIES = 100_000


class JsonSerializer:
    """Serialize values as JSON. With pickle, anybody who can write to Redis could run code here."""

    def dumps(self, value: object) -> bytes | int:
        """Return the value as bytes. Integers stay integers, so that Redis can increment them."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return json.dumps(value, separators=(",", ":")).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


class FallbackCache(RedisCache):
    """Redis. While Redis cannot be reached, the process's memory, so that throttles keep limiting."""

    _down_until: ClassVar[float] = 0.0  # shared by all threads: after one failure, the others do not wait for Redis

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        memory = {**params, "OPTIONS": {"MAX_ENTRIES": MAX_MEMORY_ENTRIES}}
        self._memory = LocMemCache("beside redis", memory)

    def _try(self, operation: str, *args: Any) -> Any:
        if time.monotonic() >= FallbackCache._down_until:
            try:
                return getattr(super(), operation)(*args)
            except RedisError as exc:
                FallbackCache._down_until = time.monotonic() + RETRY_AFTER_S
                log.warning("cache.unreachable", extra={"operation": operation, "error": type(exc).__name__})
        return getattr(self._memory, operation)(*args)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        return self._try("add", key, value, timeout, version)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._try("get", key, default, version)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        return self._try("set", key, value, timeout, version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        return self._try("touch", key, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> Any:
        return self._try("delete", key, version)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> Any:
        return self._try("get_many", list(keys), version)

    def has_key(self, key: Any, version: int | None = None) -> Any:
        return self._try("has_key", key, version)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        return self._try("incr", key, delta, version)

    def set_many(self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        return self._try("set_many", dict(data), timeout, version)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> Any:
        return self._try("delete_many", list(keys), version)

    def clear(self) -> Any:
        return self._try("clear")
