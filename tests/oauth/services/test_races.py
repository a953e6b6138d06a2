"""A lease in the middle of a revocation, and the other way round: neither waits for the other. A demotion waits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError, connection

from keys.models import Api
from keys.services.credentials import disable_credential
from oauth.models import Client, RevokedToken, StatusBlock
from oauth.protocol.jti import StatusIndex, new_jti
from oauth.services.clients import IssuedClient
from oauth.services.status import lease_block
from oauth.services.tokens import revoke_token
from portal.audit import Actor, ActorKind, record_of
from portal.models import Organization, ServiceAccount, User
from portal.permissions import Role
from portal.services.members import change_role

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


def test_leasing_indexes_and_revoking_a_token_never_wait_for_each_other(
    issued: IssuedClient, api: Api, as_ada: Actor, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = issued.credential

    def lease() -> Any:
        return lease_block(client.public_id, api.public_id, generation=1, count=2, now=now)

    first = lease()
    jtis = [new_jti(StatusIndex(first.list_number, index)) for index in first.indexes]
    with monkeypatch.context() as patch:
        revoke = lambda: revoke_token(client, jtis[0], by=as_ada)  # noqa: E731  # a thunk
        patch.setattr(StatusBlock.objects, "create", once_before(revoke, StatusBlock.objects.create))
        lease()
    with monkeypatch.context() as patch:
        patch.setattr("oauth.services.tokens.record_of", once_before(lease, record_of))
        revoke_token(client, jtis[1], by=as_ada)
    assert set(RevokedToken.objects.values_list("jti", flat=True)) == set(jtis)
    assert StatusBlock.objects.count() == 3


def test_a_change_of_a_service_accounts_client_holds_up_the_demotion_of_who_makes_it(
    issued: IssuedClient, acme: Organization, as_ada: Actor, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = ServiceAccount.objects.create(organization=acme, name="robot")
    Client.objects.update(owner=None, service_account=robot)
    demote = lambda: change_role(acme.memberships.get(user=ben), Role.VIEWER, by=as_ada)  # noqa: E731  # a thunk
    monkeypatch.setattr("keys.services.credentials.record_of", once_before(demote, record_of))
    with pytest.raises(OperationalError, match="lock timeout"):
        disable_credential(issued.credential, by=Actor(ActorKind.USER, ben))
    assert acme.memberships.get(user=ben).role == Role.DEVELOPER
