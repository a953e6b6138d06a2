"""The table that the tests of the cache read from."""

import pytest

from keys.validation.store import database
from keys.validation.store.database import Loader
from tests.support.validation.side_by_side import Table


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    """The table from which ``race:<id>`` is read."""
    made = Table()
    monkeypatch.setitem(database._loaders, "race", Loader(list, made.load))
    return made
