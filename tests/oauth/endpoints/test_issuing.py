"""A token from rows to text: what services make, the endpoint reads; warm, it writes nothing; uses come to be told."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client as Browser
from django.utils import timezone

from keys.models import Usage
from keys.services.apis import disable_api
from keys.services.credentials import disable_credential
from keys.services.secrets import roll_credential
from keys.validation.usage import tables
from keys.validation.usage.recorder import UsageRecorder
from oauth.models import ClientSecret, RevokedToken, SigningKey, StatusBlock
from oauth.pages.usage import tokens_of_client
from oauth.services.clients import IssuedClient
from oauth.services.tokens import revoke_all_tokens
from portal.accounts.passwords import BoundedArgon2Hasher
from portal.audit import COMMAND, Actor
from portal.services.organizations import suspend_organization
from tests.oauth.endpoints.test_introspection import post as introspect
from tests.oauth.endpoints.test_revocation import post as revoke
from tests.support.oauth.memory import ADDRESS, basic, post
from tests.support.page import the

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def token_of(issued: IssuedClient, secret: str | None = None) -> Any:
    reply = post(None, basic(issued.credential.public_id, secret or issued.secret_text), peer=ADDRESS)
    return jwt.decode(reply.json["access_token"], options={"verify_signature": False}) if reply.status == 200 else reply


def test_a_client_gets_tokens_and_the_warm_ones_write_nothing(
    issued: IssuedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_slow_hash(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(BoundedArgon2Hasher, "encode", no_slow_hash)
    first = token_of(issued)
    blocks, keys = StatusBlock.objects.count(), SigningKey.objects.count()
    assert [token_of(issued)["sub"] for _ in range(5)] == [first["sub"]] * 5
    assert (StatusBlock.objects.count(), SigningKey.objects.count()) == (blocks, keys)
    assert not RevokedToken.objects.exists()
    assert (first["org"], first["env"], first["gen"]) == (issued.credential.organization.public_id, "live", 1)


def test_what_was_changed_before_holds_for_the_next_token(issued: IssuedClient, as_ada: Actor) -> None:
    revoke_all_tokens(issued.credential, by=as_ada)
    assert token_of(issued)["gen"] == 2
    rolled = roll_credential(issued.credential, overlap=timedelta(0), by=as_ada)
    assert token_of(issued).status == 401
    assert token_of(issued, rolled.secret_text)["gen"] == 2
    disable_credential(issued.credential, by=as_ada)
    assert token_of(issued, rolled.secret_text).status == 401


def test_a_suspended_organization_and_a_disabled_api_issue_nothing(issued: IssuedClient) -> None:
    disable_api(issued.credential.grants.get().api, by=COMMAND)
    assert token_of(issued).json["error"] == "invalid_target"
    suspend_organization(issued.credential.organization, by=COMMAND)
    assert token_of(issued).json["error"] == "invalid_client"


def test_the_last_use_of_client_and_secret_can_be_told(
    issued: IssuedClient, counted: UsageRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "_flush_batch", lambda batch: tables.write_batches([batch]))
    token_of(issued)
    token_of(issued)
    counted.finish()
    issued.credential.refresh_from_db()
    secret = ClientSecret.objects.get(client=issued.credential)
    assert issued.credential.last_used_at == secret.last_used_at
    assert secret.last_used_from == ADDRESS
    assert Usage.objects.get().count == 2
    assert (Usage.objects.get().secret_id, Usage.objects.get().code) == (secret.public_id, "VALID")


def test_introspections_and_revocations_are_no_tokens(
    issued: IssuedClient, counted: UsageRecorder, monkeypatch: pytest.MonkeyPatch, ada_client: Browser
) -> None:
    monkeypatch.setattr(counted, "_flush_batch", lambda batch: tables.write_batches([batch]))
    _, own = basic(issued.credential.public_id, issued.secret_text)
    token = {"token": post(None, ("authorization", own)).json["access_token"]}
    assert [introspect(own, token).json["active"] for _ in range(3)] == [True] * 3
    assert revoke(own, token).status == 200
    assert introspect(own, token).json["active"] is False
    counted.finish()
    shown = ada_client.get(f"/app/clients/{issued.credential.public_id}/").text
    assert the(".figures .figure", shown).text(separator=" ", strip=True) == "Tokens, 24 h 1"
    assert sum(usage.count for usage in Usage.objects.filter(secret_id=issued.credential.secrets.get().public_id)) == 1


def test_a_secret_that_only_asks_about_tokens_is_in_use_all_the_same(
    issued: IssuedClient, counted: UsageRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "_flush_batch", lambda batch: tables.write_batches([batch]))
    _, own = basic(issued.credential.public_id, issued.secret_text)
    assert introspect(own, {"token": "nobody's"}).json == {"active": False}
    counted.finish()
    assert issued.credential.secrets.get().last_used_at is not None
    assert not Usage.objects.exists()


def test_a_request_for_an_api_that_is_not_granted_counts_as_refused(
    issued: IssuedClient, counted: UsageRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "_flush_batch", lambda batch: tables.write_batches([batch]))
    form = {"grant_type": "client_credentials", "audience": "https://elsewhere.example.com"}
    assert post(form, basic(issued.credential.public_id, issued.secret_text)).json["error"] == "invalid_target"
    counted.finish()
    calls = tokens_of_client(issued.credential, now=timezone.now())
    assert (calls.total, calls.denied) == (1, 1)
