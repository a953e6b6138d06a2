"""Many strange requests to the OAuth endpoints."""

from collections.abc import Callable

import pytest

from tests.support import environment

if not environment.ON_SQLITE:
    from tests.support.oauth.fuzz import fuzz

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


def test_strange_requests_are_all_answered_in_json_and_none_with_a_5xx(prove: Callable[[str], None]) -> None:
    seen = fuzz(times=20_000)
    statuses = ", ".join(f"{status} {count:,}" for status, count in sorted(seen.items()))
    prove(f"strange requests to the OAuth endpoints: {seen.total():,}, all answered in JSON: {statuses}")
