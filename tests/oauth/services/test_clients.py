"""The operations on OAuth clients, their secrets and tokens: row, audit event and refusal, on both databases."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from pytest_django import Settings

from keys.models import Api, Environment, RevokeReason
from keys.rules.secret import digest
from keys.services import redigest
from keys.services.apis import disable_api
from keys.services.credentials import ChangedCredential, disable_credential, enable_credential, revoke_credential
from keys.services.errors import AlreadyDone, Conflict, Invalid, Refused
from keys.services.secrets import end_old_secret, extend_overlap, roll_credential
from keys.sweeps import record_endings
from keys.validation.peppers import StaleDigest
from keys.validation.types import ClientSnapshot
from oauth.loaders import load_clients
from oauth.models import Client, ClientSecret, RevokedToken, StatusBlock
from oauth.protocol.jti import StatusIndex, new_jti, status_index_of, status_index_text
from oauth.protocol.jwk import generate
from oauth.services import tokens
from oauth.services.clients import ClientSettings, IssuedClient, create_client, edit_client
from oauth.services.status import lease_block
from oauth.services.tokens import (
    prune_revoked_tokens,
    prune_status_blocks,
    revoke_all_tokens,
    revoke_token,
)
from portal import outbox
from portal.audit import COMMAND, Actor, ActorKind, NotAllowed
from portal.models import AuditEvent, Organization, ServiceAccount, User
from portal.permissions import Role
from portal.policies import Policies
from portal.services.organizations import suspend_organization
from portal.services.policies import change_policies

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WANTED = ClientSettings("nightly sync")
OPERATIONS: Mapping[str, Callable[[IssuedClient, Actor], object]] = {
    "edit": lambda made, by: edit_client(made.credential, WANTED, by=by),
    "grant": lambda made, by: edit_client(
        made.credential, WANTED, grants={made.credential.grants.get().api.public_id: []}, by=by
    ),
    "disable": lambda made, by: disable_credential(made.credential, by=by),
    "enable": lambda made, by: enable_credential(made.credential, by=by),
    "roll": lambda made, by: roll_credential(made.credential, overlap=HOUR, by=by),
    "end": lambda made, by: end_old_secret(made.credential, made.secret, by=by),
    "extend": lambda made, by: extend_overlap(
        made.credential, made.secret, ends_at=made.secret.created_at + DAY, by=by
    ),
    "revoke": lambda made, by: revoke_credential(made.credential, reason=RevokeReason.OTHER, by=by),
    "revoke all tokens": lambda made, by: revoke_all_tokens(made.credential, by=by),
    "revoke one token": lambda made, by: revoke_token(made.credential, a_jti(made.credential), by=by),
}


def told() -> list[str]:
    """What the audit says of clients so far, oldest first."""
    return list(AuditEvent.objects.filter(action__startswith="client.").order_by("id").values_list("action", flat=True))


def snapshot(client: Client) -> ClientSnapshot:
    found = load_clients([client.public_id])[client.public_id]
    assert isinstance(found, ClientSnapshot)
    return found


def a_jti(client: Client) -> str:
    """The id of a token of the client, as the token endpoint would give it."""
    api = client.grants.get().api
    now = client.created_at
    block = lease_block(client.public_id, api.public_id, generation=client.generation, count=2, now=now)
    return new_jti(StatusIndex(block.list_number, block.indexes[0]))


def mistyped(jti: str) -> str:
    """Another id of the same place."""
    status_index = status_index_of(jti)
    assert status_index
    return new_jti(status_index)


def test_a_client_is_made_with_a_secret_that_is_stored_as_a_digest_alone(
    issued: IssuedClient, settings: Settings
) -> None:
    stored = ClientSecret.objects.get(client=issued.credential)
    assert bytes(stored.digest) == digest(issued.secret_text, settings.KEY_PEPPERS[0].key)
    assert issued.secret_text not in repr(issued)
    assert issued.secret_text.startswith("lk_cs_")
    assert told() == ["client.created"]


def test_a_client_with_keys_of_its_own_gets_no_secret(acme: Organization, api: Api, as_ada: Actor) -> None:
    public = generate("ES256").public
    made = create_client(
        acme, replace(WANTED, public_keys=[public]), grants={api.public_id: []}, environment=Environment.TEST, by=as_ada
    )
    assert isinstance(made, ChangedCredential)
    assert not made.credential.secrets.exists()
    with pytest.raises(Refused, match="no secret to roll"):
        roll_credential(made.credential, overlap=HOUR, by=as_ada)
    with pytest.raises(Invalid, match="keeps to keys"):
        edit_client(made.credential, WANTED, by=as_ada)


def test_a_snapshot_holds_all_that_decides_about_a_clients_tokens(
    issued: IssuedClient, api: Api, as_ada: Actor, django_assert_num_queries: Any
) -> None:
    client = issued.credential
    rolled = roll_credential(client, overlap=HOUR, by=as_ada)
    jti = a_jti(client)
    revoke_token(client, jti, by=as_ada)
    with django_assert_num_queries(1):
        found = snapshot(client)
    assert [(each.secret_id, each.digest) for each in found.secrets] == [
        (issued.secret.public_id, bytes(issued.secret.digest)),
        (rolled.secret.public_id, bytes(rolled.secret.digest)),
    ]
    old = ClientSecret.objects.get(pk=issued.secret.pk)
    assert old.ends_at
    assert [each.ends_at for each in found.secrets] == [pytest.approx(old.ends_at.timestamp(), abs=0.001), None]
    (grant,) = found.grants
    assert (grant.api_id, grant.identifier) == (api.public_id, api.identifier)
    assert grant.scopes == ("orders:read", "orders:write")
    assert found.revoked_indexes == {status_index_text(jti)}
    assert (found.organization_id, found.environment, found.generation) == (
        client.organization.public_id, "live", 1,
    )  # fmt: skip
    assert not load_clients(["client_unknown"])


def test_a_client_without_grants_or_revocations_is_read_too(issued: IssuedClient) -> None:
    issued.credential.grants.all().delete()
    assert snapshot(issued.credential).grants == ()
    assert snapshot(issued.credential).revoked_indexes == frozenset()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_viewer_and_a_stranger_may_do_none_of_it(
    issued: IssuedClient, cyn: User, dov: User, operation: Callable[[IssuedClient, Actor], object]
) -> None:
    for person in (cyn, dov):
        with pytest.raises(NotAllowed):
            operation(issued, Actor(ActorKind.USER, person))
    assert told() == ["client.created"]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_tells_the_caches_of_the_clients_snapshot(
    issued: IssuedClient, as_ada: Actor, operation: Callable[[IssuedClient, Actor], object], request: Any
) -> None:
    if request.node.callspec.id in {"end", "extend"}:
        roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    names: list[str] = []
    outbox.register_flush(names.extend)
    try:
        for _ in range(2):  # a repeat tells it again
            operation(issued, as_ada)
    finally:
        outbox.register_flush(None)
    assert names == [f"client:{issued.credential.public_id}"] * 2


def test_revoking_all_tokens_raises_the_generation(issued: IssuedClient, as_ada: Actor) -> None:
    assert revoke_all_tokens(issued.credential, by=as_ada).credential.generation == 2
    assert snapshot(issued.credential).generation == 2
    assert told()[-1] == "client.tokens_revoked"


def test_a_revoked_client_stays_revoked_and_the_first_reason_stands(issued: IssuedClient, as_ada: Actor) -> None:
    revoke_credential(issued.credential, reason=RevokeReason.LEAKED, by=as_ada)
    revoke_credential(issued.credential, reason=RevokeReason.OTHER, by=as_ada)
    assert snapshot(issued.credential).is_compromised
    assert told() == ["client.created", "client.revoked"]
    for name in ("edit", "grant", "disable", "enable", "roll", "revoke all tokens"):
        with pytest.raises(Refused, match="revoked"):
            OPERATIONS[name](issued, as_ada)


def test_pausing_and_resuming_are_told_once_each(issued: IssuedClient, as_ada: Actor) -> None:
    for act in (disable_credential, disable_credential, enable_credential, enable_credential):
        act(issued.credential, by=as_ada)
    assert told() == ["client.created", "client.disabled", "client.enabled"]
    assert not snapshot(issued.credential).is_disabled


def test_secrets_roll_by_a_keys_rules(issued: IssuedClient, as_ada: Actor, now: datetime) -> None:
    rolled = roll_credential(issued.credential, overlap=DAY, by=as_ada, seen_secret_id=issued.secret.public_id)
    with pytest.raises(Conflict):
        roll_credential(issued.credential, overlap=DAY, by=as_ada, seen_secret_id=issued.secret.public_id)
    with pytest.raises(Refused, match="newest secret"):
        end_old_secret(rolled.credential, rolled.secret, by=as_ada)
    again = roll_credential(
        issued.credential, overlap=DAY, by=as_ada
    )  # nobody used the one in between: it ends, the old goes on
    working = [each.public_id for each in issued.credential.secrets.all() if each.works(now + HOUR)]
    assert sorted(working) == sorted([issued.secret.public_id, again.secret.public_id])
    extend_overlap(issued.credential, issued.secret, ends_at=now + 2 * DAY, by=as_ada)
    end_old_secret(issued.credential, issued.secret, by=as_ada)
    assert told()[-2:] == ["client.overlap_changed", "client.secret_ended"]
    with pytest.raises(Refused, match="already ended"):
        extend_overlap(issued.credential, issued.secret, ends_at=now + DAY, by=as_ada)


def test_an_overlap_that_ends_by_itself_is_told_once(issued: IssuedClient, as_ada: Actor, now: datetime) -> None:
    roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    for _ in range(2):
        record_endings(now=now + 2 * HOUR)
    assert told() == ["client.created", "client.rolled", "client.secret_ended"]


def test_the_owner_is_mailed_once_when_an_old_secret_ends(issued: IssuedClient, as_ada: Actor, now: datetime) -> None:
    roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    for _ in range(2):
        record_endings(now=now + 2 * HOUR)
    (mailed,) = mail.outbox
    assert (mailed.to, mailed.subject) == (["ada@example.com"], f"An old secret of {issued.credential.name} has ended")
    assert f"http://localhost:8000/app/clients/{issued.credential.public_id}/roll/" in mailed.body
    assert issued.secret_text not in mailed.body


def test_who_wants_no_mails_about_keys_gets_none_about_clients(
    issued: IssuedClient, as_ada: Actor, ada: User, now: datetime
) -> None:
    User.objects.filter(pk=ada.pk).update(unwanted_mails=["keys"])
    roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    record_endings(now=now + 2 * HOUR)
    assert mail.outbox == []


def test_a_clients_secret_moves_to_the_first_pepper(issued: IssuedClient) -> None:
    old = bytes(issued.secret.digest)
    stale = StaleDigest("client", issued.secret.public_id, old, b"n" * 32)
    assert redigest.redigest(stale)
    assert not redigest.redigest(stale)
    assert snapshot(issued.credential).secrets[0].digest == b"n" * 32


def test_a_form_sent_twice_makes_one_client(acme: Organization, api: Api, as_ada: Actor) -> None:
    form = uuid4()
    make = partial(
        create_client,
        acme,
        WANTED,
        grants={api.public_id: []},
        environment=Environment.LIVE,
        by=as_ada,
        submission=form,
    )
    made = make()
    with pytest.raises(AlreadyDone) as repeated:
        make()
    assert repeated.value.subject_id == made.credential.public_id


def test_a_suspended_organization_and_a_full_one_make_no_clients(
    issued: IssuedClient, api: Api, as_ada: Actor, settings: Settings
) -> None:
    grants = {api.public_id: ["orders:read"]}
    make = partial(create_client, issued.credential.organization, WANTED, grants=grants, environment=Environment.LIVE)
    settings.MAX_CLIENTS_PER_ORGANIZATION = 1
    with pytest.raises(Refused, match="the most it may have"):
        make(by=as_ada)
    suspend_organization(issued.credential.organization, by=COMMAND)
    with pytest.raises(Refused, match="suspended"):
        make(by=COMMAND)


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("name", replace(WANTED, name=" ")),
        ("token_lifetime_s", replace(WANTED, token_lifetime_s=59)),
        ("token_lifetime_s", replace(WANTED, token_lifetime_s=86_401)),
        ("networks", replace(WANTED, networks=["10.0.0.1/8"])),
        ("public_keys", replace(WANTED, public_keys={"keys": []})),
        ("metadata", replace(WANTED, metadata={"a": float("nan")})),
    ],
)
def test_what_is_out_of_bounds_is_named(
    issued: IssuedClient, as_ada: Actor, field: str, wanted: ClientSettings
) -> None:
    with pytest.raises(Invalid) as refused:
        edit_client(issued.credential, wanted, by=as_ada)
    assert refused.value.field == field


def test_grants_are_of_apis_and_scopes_that_exist(issued: IssuedClient, api: Api, as_ada: Actor) -> None:
    unusable: list[dict[str, list[str]]] = [{}, {"api_unknown": []}, {api.public_id: ["made:up"]}]
    for grants in unusable:
        with pytest.raises(Invalid) as refused:
            edit_client(issued.credential, WANTED, grants=grants, by=as_ada)
        assert refused.value.field == "grants"
    edit_client(issued.credential, WANTED, grants={api.public_id: ["refunds:write"]}, by=as_ada, seen_version=1)
    assert snapshot(issued.credential).grants[0].scopes == ("refunds:write",)
    with pytest.raises(Conflict):
        edit_client(issued.credential, WANTED, grants={api.public_id: []}, by=as_ada, seen_version=1)
    disable_api(api, by=COMMAND)
    edit_client(issued.credential, WANTED, grants={api.public_id: []}, by=as_ada)  # it may stay
    with pytest.raises(Refused, match="disabled"):
        create_client(
            issued.credential.organization, WANTED, grants={api.public_id: []}, environment=Environment.LIVE, by=as_ada
        )


def test_of_an_edit_either_all_is_changed_or_nothing(issued: IssuedClient, api: Api, as_ada: Actor) -> None:
    with pytest.raises(Invalid):
        edit_client(issued.credential, replace(WANTED, name="other"), grants={api.public_id: ["made:up"]}, by=as_ada)
    assert Client.objects.get().name == WANTED.name
    edited = edit_client(
        issued.credential, replace(WANTED, name="other"), grants={api.public_id: []}, by=as_ada
    ).credential
    assert (edited.version, snapshot(edited).grants[0].scopes) == (2, ())
    assert told()[-2:] == ["client.edited", "client.grants_changed"]


def test_a_token_is_revoked_by_its_id_alone_and_only_by_its_own_client(
    issued: IssuedClient, api: Api, as_ada: Actor, now: datetime
) -> None:
    other = create_client(
        issued.credential.organization, WANTED, grants={api.public_id: []}, environment=Environment.LIVE, by=as_ada
    ).credential
    jti = a_jti(issued.credential)
    a_jti(other)
    for wrong in ("", "x" * 40, jti + "0", jti.replace(".", ".9", 1), f"{jti.rpartition('.')[0]}.1048576"):
        with pytest.raises(Invalid):
            revoke_token(issued.credential, wrong, by=as_ada)
    for text in (jti, mistyped(jti)):
        with pytest.raises(Invalid):
            revoke_token(other, text, by=as_ada)
    for text in (jti, jti, mistyped(jti)):
        revoke_token(issued.credential, text, by=Actor(ActorKind.CREDENTIAL, credential_id=issued.credential.public_id))
    event = AuditEvent.objects.get(action="client.token_revoked")
    assert (event.actor_kind, event.actor_id) == ("credential", issued.credential.public_id)
    assert snapshot(other).revoked_indexes == frozenset()
    assert prune_revoked_tokens(now=now + DAY + 2 * HOUR, limit=9) == 0  # an hour for its lease, and one for clocks
    assert prune_revoked_tokens(now=now + DAY + 4 * HOUR, limit=9) == 1
    assert not RevokedToken.objects.exists()


def test_past_a_bound_one_more_revoked_token_is_all_of_them_and_the_next_are_single_again(
    issued: IssuedClient, as_ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_REVOKED_TOKENS", 2)
    first, *others = (a_jti(issued.credential) for _ in range(4))
    for jti in (first, mistyped(first), *others):
        client = revoke_token(issued.credential, jti, by=as_ada).credential
    assert (client.generation, snapshot(client).revoked_indexes) == (2, frozenset())
    event = AuditEvent.objects.get(action="client.tokens_revoked")
    assert event.after == {"generation": 2, "jti": others[1]}
    revoke_token(client, first, by=as_ada)  # which is of the first generation, and refused with it
    new = a_jti(client)
    assert revoke_token(client, new, by=as_ada).credential.generation == 2
    assert snapshot(client).revoked_indexes == {status_index_text(new)}
    assert told().count("client.token_revoked") == 3


def test_revocations_of_what_has_expired_do_not_count_for_the_bound(
    issued: IssuedClient, as_ada: Actor, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_REVOKED_TOKENS", 1)
    for _ in range(2):
        revoke_token(issued.credential, a_jti(issued.credential), by=as_ada, expires_at=now - 2 * HOUR)
    assert revoke_token(issued.credential, a_jti(issued.credential), by=as_ada).credential.generation == 1


def test_indexes_are_leased_once_and_forgotten_when_no_token_can_hold_them(
    issued: IssuedClient, api: Api, now: datetime
) -> None:
    lease = [
        lease_block(issued.credential.public_id, api.public_id, generation=1, count=count, now=now)
        for count in (16, 2**20 - 20, 16, 16)  # the second list begins where the first is full
    ]
    assert [(each.slots.start, len(each.slots)) for each in lease] == [
        (0, 16),
        (16, 2**20 - 20),
        (2**20 - 4, 4),
        (0, 16),
    ]
    assert lease[2].list_number == lease[0].list_number != lease[3].list_number
    assert prune_status_blocks(now=now + DAY, limit=9) == 0
    assert prune_status_blocks(now=now + DAY + 3 * HOUR, limit=9) == 4
    assert not StatusBlock.objects.exists()


def test_who_may_make_live_keys_makes_live_clients(acme: Organization, api: Api, as_ada: Actor, ben: User) -> None:
    change_policies(acme, Policies(live_keys_by=Role.ADMIN), by=as_ada)
    grants, as_ben = {api.public_id: ["orders:read"]}, Actor(ActorKind.USER, ben)
    with pytest.raises(Invalid, match="lets only owners and admins create live keys"):
        create_client(acme, WANTED, grants=grants, environment=Environment.LIVE, by=as_ben)
    create_client(acme, WANTED, grants=grants, environment=Environment.TEST, by=as_ben)
    live = create_client(acme, WANTED, grants=grants, environment=Environment.LIVE, by=as_ada).credential
    Client.objects.update(owner=ben)
    with pytest.raises(Invalid, match="lets only owners and admins create live keys"):
        roll_credential(live, overlap=timedelta(0), by=as_ben)


def test_who_may_make_no_live_keys_puts_none_of_their_own_into_a_live_client(
    acme: Organization, api: Api, as_ada: Actor, ben: User
) -> None:
    change_policies(acme, Policies(live_keys_by=Role.ADMIN), by=as_ada)
    owner = ServiceAccount.objects.create(organization=acme, name="robot")
    theirs, bens = (replace(WANTED, public_keys=[generate("ES256").public]) for _ in range(2))
    grants = {api.public_id: ["orders:read"]}
    made = create_client(acme, theirs, grants=grants, environment=Environment.LIVE, by=as_ada, service_account=owner)
    as_ben = Actor(ActorKind.USER, ben)
    with pytest.raises(Invalid, match="lets only owners and admins create live keys"):
        edit_client(made.credential, bens, by=as_ben)
    assert Client.objects.get().public_keys == made.credential.public_keys
    edit_client(made.credential, replace(theirs, note="on call"), by=as_ben)
    edit_client(made.credential, bens, by=as_ada)


def test_where_live_keys_need_networks_live_clients_need_them(issued: IssuedClient, api: Api, as_ada: Actor) -> None:
    organization, at_home = issued.credential.organization, replace(WANTED, networks=["10.0.0.0/8"])
    change_policies(organization, Policies(live_networks_required=True), by=as_ada)
    with pytest.raises(Invalid, match="requires addresses on live keys") as refusal:
        create_client(organization, WANTED, grants={api.public_id: []}, environment=Environment.LIVE, by=as_ada)
    assert refusal.value.field == "networks"
    edit_client(issued.credential, WANTED, by=as_ada)  # it has none from before, and keeps that
    edit_client(issued.credential, at_home, by=as_ada)
    with pytest.raises(Invalid, match="requires addresses on live keys"):
        edit_client(issued.credential, WANTED, by=as_ada)
