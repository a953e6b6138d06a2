"""What strangers do, at length: another tenant's validations go on as if nothing were."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import live, strangers
from tests.strangers import Latencies

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]
CALLS = 400


class Bystander:
    """A tenant whose backend validates one good key, whatever strangers do."""

    def __init__(self, portal: live.Live, demo: dict[str, Any]) -> None:
        self.port = urlsplit(portal.url).port or 0
        self._secret, self._key = demo["api"]["secret"], demo["api_key"]

    def validations(self, number: int = CALLS) -> Latencies:
        """What so many of its validations take."""
        return strangers.validations(self.port, self._secret, self._key, number=number)

    def validate(self, *, within_s: float) -> int:
        """One validation on a new connection."""
        return strangers.validate(self.port, self._secret, self._key, within_s=within_s)


@pytest.fixture(scope="module")
def bystander(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bystander]:
    """The bystander of a portal in production mode, with two workers."""
    with (
        live.database() as url,
        live.portal(tmp_path_factory.mktemp("strangers") / "portal", database_url=url, workers=2) as portal,
    ):
        bystander = Bystander(portal, json.loads(portal.manage("demo", "--json", "--force")))
        bystander.validations(20)
        yield bystander


def test_3000_idle_and_1500_half_open_connections_stop_nobody(
    bystander: Bystander, prove: Callable[[str], None]
) -> None:
    quiet = bystander.validations()
    with strangers.crowd(bystander.port, idle=3_000, half_open=1_500):
        assert bystander.validate(within_s=1) == 200
        attacked = bystander.validations()
    strangers.hold_to_the_bar("3,000 idle and 1,500 half-open connections", quiet, attacked, prove)
