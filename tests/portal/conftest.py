"""What tests of the front door share."""

from collections.abc import Callable, Iterator

import pytest
from django.core.cache import cache

from portal.accounts.passwords import BoundedArgon2Hasher
from portal.models import User
from tests.support.visitors import person


@pytest.fixture(autouse=True)
def _no_throttles_left() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def eve(db: None) -> User:
    """Someone with an account and a password."""
    return person("eve@example.com")


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each password that is hashed."""
    done: list[str] = []
    for name in ("encode", "verify"):
        original = getattr(BoundedArgon2Hasher, name)

        def counted(
            self: BoundedArgon2Hasher, *args: str, _name: str = name, _original: Callable[..., object] = original
        ) -> object:
            done.append(_name)
            return _original(self, *args)

        monkeypatch.setattr(BoundedArgon2Hasher, name, counted)
    return done
