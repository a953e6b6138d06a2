"""A lease in the middle of a revocation, and the other way round: neither waits for the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from keys.models import Api
from oauth.jti import Place, new_jti
from oauth.models import RevokedToken, StatusBlock
from oauth.services.common import IssuedClient
from oauth.services.status import lease_block
from oauth.services.tokens import revoke_token
from portal.audit import Actor, record_of

pytestmark = pytest.mark.django_db(transaction=True)


def without_waiting(act: Callable[[], object]) -> None:
    """Do it in another process's place; raises where a lock keeps it from it."""

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


def once_before(act: Callable[[], object], then: Callable[..., Any]) -> Callable[..., Any]:
    """``then``, which the first time has ``act`` done elsewhere before."""
    left = [act]

    def both(*args: Any, **kwargs: Any) -> Any:
        if left:
            without_waiting(left.pop())
        return then(*args, **kwargs)

    return both


def test_leasing_places_and_revoking_a_token_never_wait_for_each_other(
    issued: IssuedClient, api: Api, as_ada: Actor, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = issued.client

    def lease() -> Any:
        return lease_block(client.public_id, api.public_id, generation=1, count=2, now=now)

    first = lease()
    jtis = [new_jti(Place(first.list_number, index)) for index in first.indexes]
    with monkeypatch.context() as patch:
        revoke = lambda: revoke_token(client, jtis[0], by=as_ada)  # noqa: E731  # a thunk
        patch.setattr(StatusBlock.objects, "create", once_before(revoke, StatusBlock.objects.create))
        lease()
    with monkeypatch.context() as patch:
        patch.setattr("oauth.services.tokens.record_of", once_before(lease, record_of))
        revoke_token(client, jtis[1], by=as_ada)
    assert set(RevokedToken.objects.values_list("jti", flat=True)) == set(jtis)
    assert StatusBlock.objects.count() == 3
