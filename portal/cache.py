"""The pages' cache (throttles of sign-in): Redis without pickle, and the process's own memory where Redis is gone."""

import json
import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


class JsonSerializer:
    """Turns values into JSON: nobody who can write to Redis gets to run code here."""

    def dumps(self, value: object) -> bytes | int:
        """The value as bytes; whole numbers stay numbers, so that Redis can count."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return json.dumps(value, separators=(",", ":")).encode()

    def loads(self, data: bytes) -> Any:
        """The value that the bytes spell."""
        return json.loads(data)


class FallbackCache(RedisCache):
    """Redis; while it cannot be reached, this process's memory, so that a throttle is never without limit."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        memory = {key: value for key, value in params.items() if key != "OPTIONS"}
        self._memory = LocMemCache(f"fallback of {params.get('KEY_PREFIX', '')}", memory)

    def _either(self, name: str, redis: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return redis(*args, **kwargs)
        except RedisError as exc:
            log.warning("cache.unreachable", extra={"operation": name, "error": type(exc).__name__})
            return getattr(self._memory, name)(*args, **kwargs)


def _with_fallback(name: str) -> Callable[..., Any]:
    def operation(self: FallbackCache, *args: Any, **kwargs: Any) -> Any:
        return self._either(name, getattr(super(FallbackCache, self), name), *args, **kwargs)

    operation.__name__ = name
    return operation


for _name in ("add", "get", "set", "touch", "delete", "get_many", "has_key", "incr", "set_many", "delete_many", "clear"):
    setattr(FallbackCache, _name, _with_fallback(_name))
