"""What stands in Redis is believed only where one of our processes put it, there and under this run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from keys.validation.cache import serialization
from keys.validation.types import ApiSecretSnapshot, ApiSnapshot, KeySnapshot, Limit, OrganizationSnapshot, Snapshot

RUN = b"r" * 80
KEY = KeySnapshot(
    digest=b"d" * 32,
    secret_id="sec_1",
    secret_ends_at=1.5,
    key_id="key_1",
    name="<é>",
    environment="live",
    organization_id="org_1",
    api_id="api_1",
    scopes=("a", "b"),
    networks=("10.0.0.0/8",),
    rate_limits=(Limit("default", 1, 2),),
    quota=None,
    metadata=b'{"plan":"gold"}',
    operator_metadata=b"{}",
    not_before=None,
    expires_at=2.5,
    is_disabled=False,
    is_revoked=False,
    is_compromised=False,
)
SNAPSHOTS: list[tuple[str, Snapshot]] = [
    ("secret:" + "64" * 32, KEY),
    (
        "apisecret:00",
        ApiSecretSnapshot(
            digest=b"d", secret_id="s", api_id="a", environment="live", ends_at=None, is_disabled=False, is_revoked=True
        ),
    ),
    (
        "api:api_1",
        ApiSnapshot(
            api_id="a",
            identifier="urn:a",
            scopes=frozenset({"x"}),
            rate_limits=(),
            max_rate_limits=(),
            signing_algorithm="ES256",
            token_lifetime_s=900,
            is_disabled=False,
        ),
    ),
    (
        "org:org_1",
        OrganizationSnapshot(organization_id="org_1", name="Acme", external_id=None, metadata=b"{}", is_suspended=True),
    ),
]


@pytest.mark.parametrize(("name", "snapshot"), SNAPSHOTS)
def test_every_snapshot_comes_back_as_it_went(name: str, snapshot: Snapshot) -> None:
    entry = serialization.encode(name, snapshot, run=RUN, read_at_ms=1234)
    assert serialization.decode(name, entry, run=RUN) == (snapshot, 1234)


@given(st.integers(min_value=0), st.integers(1, 255))
def test_an_entry_with_any_byte_changed_is_none(position: int, change: int) -> None:
    entry = bytearray(serialization.encode("org:org_1", SNAPSHOTS[3][1], run=RUN, read_at_ms=1234))
    entry[position % len(entry)] ^= change
    assert serialization.decode("org:org_1", bytes(entry), run=RUN) is None


@given(st.binary(max_size=200))
def test_bytes_that_somebody_wrote_are_no_entry(entry: bytes) -> None:
    assert serialization.decode("org:org_1", entry, run=RUN) is None


def test_an_entry_of_another_name_run_or_installation_is_none(settings: Settings) -> None:
    entry = serialization.encode("org:org_1", SNAPSHOTS[3][1], run=RUN, read_at_ms=1234)
    assert serialization.decode("org:org_2", entry, run=RUN) is None
    assert serialization.decode("org:org_1", entry, run=b"q" * 80) is None
    settings.SECRET_KEY = "another installation's"
    assert serialization.decode("org:org_1", entry, run=RUN) is None
