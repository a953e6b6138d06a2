"""Which snapshots a cached decision stands on: it counts for nothing once one of them is another."""

from msgspec.structs import replace

from keys.validation.digest_cache import Basis
from keys.validation.types import Snapshot
from tests.keys.validation.test_verdict import API, KEY

FOUND: dict[str, Snapshot] = {"secret:1": KEY, "api:1": API}


def test_a_basis_is_current_while_its_snapshots_are_the_same_objects() -> None:
    basis = Basis.of(FOUND, tuple(FOUND))
    assert basis.is_current(FOUND)
    assert basis.is_current({**FOUND, "org:1": API})
    assert not basis.is_current({**FOUND, "secret:1": replace(KEY)})
    assert not basis.is_current({**FOUND, "api:1": replace(API)})
    assert not basis.is_current({"secret:1": KEY})


def test_a_snapshot_that_is_gone_is_no_missing_one() -> None:
    basis = Basis.of({"api:1": replace(API)}, ("api:1",))  # nothing else holds it
    assert not basis.is_current({})
    assert not basis.is_current({"api:1": API})


def test_a_snapshot_that_was_missing_has_to_be_missing_still() -> None:
    basis = Basis.of({"secret:1": KEY}, ("secret:1", "secret:2"))
    assert basis.is_current({"secret:1": KEY})
    assert not basis.is_current({"secret:1": KEY, "secret:2": KEY})
