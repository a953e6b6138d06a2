"""The database states the rules too: each named constraint of this app, broken once."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from keys.models import Api
from oauth.models import Client, ClientSecret, Grant, RevokedToken, SigningKey, StatusBlock, StatusList
from oauth.services.clients import IssuedClient
from portal.models import ServiceAccount
from tests.keys.test_constraints import breaks

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_each_rule_on_clients_is_held(issued: IssuedClient, api: Api, now: datetime) -> None:
    client, rows = issued.credential, Client.objects.filter(pk=issued.credential.pk)
    assert breaks("client_has_a_name", lambda: rows.update(name=""))
    assert breaks("client_environment_known", lambda: rows.update(environment="prod"))
    for lifetime_s in (59, 86_401):
        assert breaks("client_token_lifetime_within_bounds", partial(rows.update, token_lifetime_s=lifetime_s))
    assert breaks("client_generation_begins_at_one", lambda: rows.update(generation=0))
    account = ServiceAccount.objects.create(organization=client.organization, name="deploys")
    assert breaks("client_has_one_owner_at_most", lambda: rows.update(service_account=account))
    assert breaks("client_revoked_with_a_reason", lambda: rows.update(revoked_at=now))
    another = {"client": client, "pepper_version": "1", "hint": "x", "created_at": now}
    assert breaks("client_secret_one_without_end", lambda: ClientSecret.objects.create(digest=b"a", **another))
    taken = bytes(issued.secret.digest)
    assert breaks("digest", lambda: ClientSecret.objects.create(digest=taken, ends_at=now, **another))
    assert breaks("grant_unique", lambda: Grant.objects.create(client=client, api=api))
    with pytest.raises(IntegrityError), transaction.atomic():
        client.delete()


def test_each_rule_on_what_apis_say_of_tokens_is_held(api: Api) -> None:
    rows = Api.objects.filter(pk=api.pk)
    assert breaks("api_signing_algorithm_known", lambda: rows.update(signing_algorithm="none"))
    for lifetime_s in (59, 86_401):
        assert breaks("api_token_lifetime_within_bounds", partial(rows.update, token_lifetime_s=lifetime_s))


def test_each_rule_on_status_lists_is_held(issued: IssuedClient, api: Api, now: datetime) -> None:
    full = StatusList.objects.create()
    assert breaks("status_list_within_size", lambda: StatusList.objects.filter(pk=full.pk).update(next_slot=2**20 + 1))
    block = {"status_list": full, "client": issued.credential, "api": api, "generation": 1, "ends_at": now}
    StatusBlock.objects.create(first=0, count=4, **block)
    assert breaks("status_block_begins_once", lambda: StatusBlock.objects.create(first=0, count=1, **block))
    for first, count in ((9, 0), (2**20, 1), (2**20 - 3, 4)):
        act = partial(StatusBlock.objects.create, first=first, count=count, **block)
        assert breaks("status_block_within_list", act)
    token = {"client": issued.credential, "status_list": full, "revoked_at": now, "expires_at": now}
    RevokedToken.objects.create(jti="a", index=1, **token)
    assert breaks("revoked_token_once", lambda: RevokedToken.objects.create(jti="a", index=2, **token))
    assert breaks("revoked_token_within_list", lambda: RevokedToken.objects.create(jti="b", index=2**20, **token))


def test_each_rule_on_signing_keys_is_held(db: None, now: datetime) -> None:
    hour = timedelta(hours=1)
    key: dict[str, Any] = {"public_key": {}, "private_key": "", "created_at": now, "signs_from": now}
    make = partial(SigningKey.objects.create, algorithm="ES256", **key)
    assert breaks("signing_key_one_without_end", lambda: make(kid="a"))  # migrating has made one
    assert breaks("signing_key_algorithm_known", lambda: make(kid="a", algorithm="HS256"))
    ends: dict[str, Any]
    for ends in ({"signs_until": now - hour, "kept_until": now}, {"signs_until": now + hour, "kept_until": now}):
        assert breaks("signing_key_ends_in_order", partial(make, kid="a", **ends))
    assert breaks("signing_key_ends_in_order", lambda: make(kid="a", signs_until=now))
    make(kid="a", signs_until=now, kept_until=now)
    assert breaks("kid", lambda: make(kid="a", signs_until=now, kept_until=now))
