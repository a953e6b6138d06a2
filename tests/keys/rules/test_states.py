"""What a credential is at an instant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keys.rules.states import CredentialFacts, CredentialStatus, State, state, status

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = CredentialFacts(
    is_compromised=False, is_revoked=False, is_disabled=False, is_suspended=False, not_before=None, expires_at=None
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, State.ACTIVE),
        ({"is_suspended": True}, State.SUSPENDED),
        ({"is_suspended": True, "expires_at": NOW}, State.EXPIRED),
        ({"expires_at": NOW + timedelta(microseconds=1)}, State.ACTIVE),
        ({"expires_at": NOW}, State.EXPIRED),
        ({"not_before": NOW}, State.ACTIVE),
        ({"not_before": NOW + DAY, "expires_at": NOW + 2 * DAY}, State.SCHEDULED),
        ({"is_disabled": True, "not_before": NOW + DAY}, State.DISABLED),
        ({"is_revoked": True, "is_disabled": True}, State.REVOKED),
        ({"is_compromised": True, "is_revoked": True}, State.COMPROMISED),
    ],
)
def test_the_first_that_fits_is_the_state(change: dict[str, Any], expected: State) -> None:
    assert state(replace(GOOD, **change), now=NOW) is expected


@pytest.mark.parametrize(
    ("facts", "secret_ends", "age", "last_used", "expected"),
    [
        (GOOD, [None], DAY, NOW, CredentialStatus.ACTIVE),
        (GOOD, [None, NOW + DAY], DAY, NOW, CredentialStatus.RETIRING),
        (GOOD, [None, NOW], DAY, NOW, CredentialStatus.ACTIVE),
        (replace(GOOD, expires_at=NOW + 7 * DAY), [None], DAY, NOW, CredentialStatus.EXPIRES_SOON),
        (replace(GOOD, expires_at=NOW + 8 * DAY), [None], DAY, NOW, CredentialStatus.ACTIVE),
        (GOOD, [None], 13 * DAY, None, CredentialStatus.ACTIVE),
        (GOOD, [None], 14 * DAY, None, CredentialStatus.NEVER_USED),
        (GOOD, [None], 200 * DAY, NOW - 90 * DAY, CredentialStatus.IDLE),
        (replace(GOOD, is_disabled=True), [None, NOW + DAY], DAY, NOW, CredentialStatus.PAUSED),
    ],
)
def test_a_page_says_the_most_urgent_thing(
    facts: CredentialFacts,
    secret_ends: list[datetime | None],
    age: timedelta,
    last_used: datetime | None,
    expected: CredentialStatus,
) -> None:
    found = status(facts, secret_ends=secret_ends, created_at=NOW - age, last_used_at=last_used, now=NOW)
    assert found is expected
