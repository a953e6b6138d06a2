"""Whatever is sent to an OAuth endpoint is answered in JSON, and never with a 5xx; ``make prove`` sends more."""

import pytest

from tests.support.environment import ON_SQLITE

if not ON_SQLITE:  # embedded, the front door may be imported by what `serve` starts alone
    from tests.support.oauth.fuzz import fuzz


@pytest.mark.django_db(transaction=True)
def test_strange_requests_are_all_answered_in_json_and_none_with_a_5xx() -> None:
    seen = fuzz(times=250)
    assert seen.keys() >= {200, 400, 401, 404, 405}
