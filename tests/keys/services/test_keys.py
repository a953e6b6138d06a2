"""The operations on API keys and their secrets: row, audit event and refusal, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from keys.models import Api, ApiKey, Environment, KeySecret, RevokeReason
from keys.rules.secret import digest
from keys.services.apis import disable_api
from keys.services.credentials import disable_credential, enable_credential, revoke_credential
from keys.services.errors import AlreadyDone, Conflict, Invalid, Refused
from keys.services.keys import IssuedKey, KeySettings, edit_key, issue_key
from keys.services.redigest import redigest
from keys.services.secrets import end_old_secret, extend_overlap, roll_credential
from keys.validation.peppers import StaleDigest
from oauth.models import ClientSecret
from portal.audit import COMMAND, Actor, ActorKind, NotAllowed
from portal.models import AuditEvent, Organization, User
from portal.services.organizations import resume_organization, suspend_organization

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HOUR = timedelta(hours=1)
WANTED = KeySettings("billing worker", scopes=["orders:read"])


def told() -> list[str]:
    """What the audit says so far, oldest first."""
    return [
        action for action in AuditEvent.objects.order_by("id").values_list("action", flat=True) if "api" not in action
    ]


def test_only_the_digest_of_a_secret_is_stored(issued: IssuedKey, settings: Settings) -> None:
    stored = KeySecret.objects.get(key=issued.credential)
    assert bytes(stored.digest) == digest(issued.secret_text, settings.KEY_PEPPERS[0].key)
    assert stored.pepper_version == settings.KEY_PEPPERS[0].version
    assert issued.secret_text not in repr(issued) + str(vars(stored))


def test_issuing_tells_the_audit_who_did_it(issued: IssuedKey, ada: User) -> None:
    event = AuditEvent.objects.get(action="key.issued")
    assert (event.subject_id, event.actor_id, event.address) == (
        issued.credential.public_id,
        ada.public_id,
        "203.0.113.7",
    )
    assert event.organization_id == issued.credential.organization.public_id
    assert event.after["scopes"] == ["orders:read", "orders:write"]


def test_a_key_that_ends_further_away_than_one_may_choose_today_can_be_edited(issued: IssuedKey, as_ada: Actor) -> None:
    far = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    ApiKey.objects.update(expires_at=far)
    edited = edit_key(issued.credential, replace(WANTED, name="renamed", expires_at=far), by=as_ada).credential
    assert (edited.name, edited.expires_at) == ("renamed", far)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"scopes": ["nothing:here"]}, "scopes"),
        ({"networks": ["abc"]}, "networks"),
        ({"rate_limits": [{"name": "default", "limit": 0, "window_s": 1}]}, "rate_limits"),
        ({"quota": {"limit": 1, "refill": "hour"}}, "quota"),
        ({"metadata": {"a": "x" * 5000}}, "metadata"),
        ({"note": "x" * 201}, "note"),
        ({"expires_at": datetime.fromisoformat("2020-01-01T00:00:00Z")}, "expires_at"),
        ({"expires_at": datetime.fromisoformat("9999-12-31T23:59:00-05:00")}, "expires_at"),
        ({"not_before": datetime.fromisoformat("0001-01-01T00:00:00+13:00")}, "not_before"),
        (
            {
                "not_before": datetime.fromisoformat("2099-01-01T00:00:00Z"),
                "expires_at": datetime.fromisoformat("2098-01-01T00:00:00Z"),
            },
            "not_before",
        ),
    ],
)
def test_a_value_out_of_bounds_is_named_and_nothing_is_stored(
    acme: Organization, api: Api, as_ada: Actor, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        issue_key(acme, api, replace(WANTED, **change), environment=Environment.LIVE, by=as_ada)
    assert refusal.value.field == field
    assert not ApiKey.objects.exists()
    assert told() == []


def test_a_viewer_and_a_stranger_may_change_nothing(issued: IssuedKey, cyn: User, dov: User) -> None:
    key, old = issued.credential, issued.secret
    operations: list[Callable[[Actor], object]] = [
        lambda by: issue_key(key.organization, key.api, WANTED, environment=Environment.LIVE, by=by),
        lambda by: edit_key(key, WANTED, by=by),
        lambda by: disable_credential(key, by=by),
        lambda by: enable_credential(key, by=by),
        lambda by: revoke_credential(key, reason=RevokeReason.OTHER, by=by),
        lambda by: roll_credential(key, overlap=HOUR, by=by),
        lambda by: end_old_secret(key, old, by=by),
        lambda by: extend_overlap(key, old, ends_at=old.created_at + HOUR, by=by),
        lambda by: suspend_organization(key.organization, by=by),
        lambda by: disable_api(key.api, by=by),
    ]
    for user in (cyn, dov):
        for operation in operations:
            with pytest.raises(NotAllowed):
                operation(Actor(ActorKind.USER, user))
    assert told() == ["key.issued"]


def test_a_form_sent_twice_makes_one_key(acme: Organization, api: Api, as_ada: Actor) -> None:
    form = uuid4()
    first = issue_key(acme, api, WANTED, environment=Environment.LIVE, by=as_ada, submission=form)
    with pytest.raises(AlreadyDone) as refusal:
        issue_key(acme, api, WANTED, environment=Environment.LIVE, by=as_ada, submission=form)
    assert refusal.value.subject_id == first.credential.public_id
    assert ApiKey.objects.count() == 1


def test_a_suspended_organization_and_a_disabled_api_issue_nothing(acme: Organization, api: Api, as_ada: Actor) -> None:
    suspend_organization(acme, by=COMMAND)
    with pytest.raises(Refused, match="suspended"):
        issue_key(acme, api, WANTED, environment=Environment.LIVE, by=as_ada)
    resume_organization(acme, by=COMMAND)
    disable_api(api, by=COMMAND)
    with pytest.raises(Refused, match="disabled"):
        issue_key(acme, api, WANTED, environment=Environment.LIVE, by=as_ada)


def test_the_cap_counts_keys_that_may_still_work(
    issued: IssuedKey, api: Api, as_ada: Actor, settings: Settings
) -> None:
    settings.MAX_KEYS_PER_ORGANIZATION = 1
    with pytest.raises(Refused, match="the most it may have"):
        issue_key(issued.credential.organization, api, WANTED, environment=Environment.LIVE, by=as_ada)
    revoke_credential(issued.credential, reason=RevokeReason.UNUSED, by=as_ada)
    assert issue_key(issued.credential.organization, api, WANTED, environment=Environment.LIVE, by=as_ada)


def test_an_edit_tells_what_changed_and_only_that(issued: IssuedKey, as_ada: Actor) -> None:
    changed = edit_key(issued.credential, replace(WANTED, networks=["10.0.0.0/8"]), by=as_ada).credential
    event = AuditEvent.objects.get(action="key.edited")
    assert event.before == {"scopes": ["orders:read", "orders:write"], "networks": []}
    assert event.after == {"scopes": ["orders:read"], "networks": ["10.0.0.0/8"]}
    assert changed.version == issued.credential.version + 1


def test_an_edit_on_top_of_somebody_elses_is_a_conflict(issued: IssuedKey, as_ada: Actor) -> None:
    edit_key(issued.credential, WANTED, by=as_ada, seen_version=1)
    with pytest.raises(Conflict):
        edit_key(issued.credential, replace(WANTED, name="other"), by=as_ada, seen_version=1)


def test_an_expired_key_is_not_extended(issued: IssuedKey, as_ada: Actor, now: datetime) -> None:
    ApiKey.objects.filter(pk=issued.credential.pk).update(expires_at=now)
    with pytest.raises(Refused, match="expired"):
        edit_key(issued.credential, replace(WANTED, expires_at=now + HOUR), by=as_ada)


def test_pausing_and_resuming_are_told_once_each(issued: IssuedKey, as_ada: Actor) -> None:
    assert (
        disable_credential(issued.credential, by=as_ada).credential.disabled_at
        == disable_credential(issued.credential, by=as_ada).credential.disabled_at
    )
    assert enable_credential(issued.credential, by=as_ada).credential.disabled_at is None
    enable_credential(issued.credential, by=as_ada)
    assert told() == ["key.issued", "key.disabled", "key.enabled"]


def test_the_first_revocation_stands(issued: IssuedKey, as_ada: Actor) -> None:
    first = revoke_credential(issued.credential, reason=RevokeReason.LEAKED, by=as_ada).credential
    again = revoke_credential(issued.credential, reason=RevokeReason.OTHER, by=as_ada).credential
    assert (again.revoked_at, again.revoke_reason) == (first.revoked_at, "leaked")
    assert told() == ["key.issued", "key.revoked"]


def test_a_revoked_key_takes_no_other_change(issued: IssuedKey, as_ada: Actor) -> None:
    revoke_credential(issued.credential, reason=RevokeReason.OTHER, by=as_ada)
    operations: list[Callable[[], object]] = [
        lambda: edit_key(issued.credential, WANTED, by=as_ada),
        lambda: disable_credential(issued.credential, by=as_ada),
        lambda: enable_credential(issued.credential, by=as_ada),
        lambda: roll_credential(issued.credential, overlap=HOUR, by=as_ada),
    ]
    for operation in operations:
        with pytest.raises(Refused, match="revoked"):
            operation()


def test_a_roll_adds_a_secret_and_sets_an_end_on_the_old(issued: IssuedKey, as_ada: Actor, now: datetime) -> None:
    rolled = roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    old, new = issued.credential.secrets.order_by("pk")
    assert (rolled.credential.public_id, rolled.secret.pk) == (issued.credential.public_id, new.pk)
    assert new.ends_at is None
    assert old.ends_at is not None
    assert HOUR <= old.ends_at - now <= HOUR + timedelta(minutes=1)
    assert rolled.secret_text != issued.secret_text


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=30, seconds=1)])
def test_an_overlap_is_at_most_thirty_days(issued: IssuedKey, as_ada: Actor, overlap: timedelta) -> None:
    with pytest.raises(Invalid, match="30 days"):
        roll_credential(issued.credential, overlap=overlap, by=as_ada)


def test_whoever_rolls_what_was_just_rolled_is_told_so(issued: IssuedKey, as_ada: Actor) -> None:
    roll_credential(issued.credential, overlap=HOUR, by=as_ada, seen_secret_id=issued.secret.public_id)
    with pytest.raises(Conflict, match="just rolled"):
        roll_credential(issued.credential, overlap=HOUR, by=as_ada, seen_secret_id=issued.secret.public_id)
    assert issued.credential.secrets.count() == 2


def test_a_lost_answer_is_rolled_again_without_harm(issued: IssuedKey, as_ada: Actor, now: datetime) -> None:
    lost = roll_credential(issued.credential, overlap=HOUR, by=as_ada).secret
    end = KeySecret.objects.get(pk=issued.secret.pk).ends_at
    newest = roll_credential(issued.credential, overlap=5 * HOUR, by=as_ada).secret
    ends = dict(issued.credential.secrets.values_list("pk", "ends_at"))
    assert (ends[issued.secret.pk], ends[newest.pk]) == (end, None)
    lost_end = ends[lost.pk]
    assert lost_end is not None
    assert not KeySecret.objects.get(pk=lost.pk).works(lost_end)


def test_an_overlap_is_ended_and_moved(issued: IssuedKey, as_ada: Actor, now: datetime) -> None:
    roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    extend_overlap(issued.credential, issued.secret, ends_at=now + 3 * HOUR, by=as_ada)
    assert KeySecret.objects.get(pk=issued.secret.pk).ends_at == now + 3 * HOUR
    end_old_secret(issued.credential, issued.secret, by=as_ada)
    end_old_secret(issued.credential, issued.secret, by=as_ada)
    assert told() == ["key.issued", "key.rolled", "key.overlap_changed", "key.secret_ended"]
    with pytest.raises(Refused, match="already ended"):
        extend_overlap(issued.credential, issued.secret, ends_at=now + 3 * HOUR, by=as_ada)


def test_the_newest_secret_is_not_ended_alone(issued: IssuedKey, as_ada: Actor) -> None:
    with pytest.raises(Refused, match="newest"):
        end_old_secret(issued.credential, issued.secret, by=as_ada)


def test_a_secret_of_another_credential_with_the_same_row_number_is_not_taken_for_this_ones(
    issued: IssuedKey, as_ada: Actor, now: datetime
) -> None:
    roll_credential(issued.credential, overlap=HOUR, by=as_ada)
    with pytest.raises(KeySecret.DoesNotExist):
        end_old_secret(issued.credential, ClientSecret(pk=issued.secret.pk, public_id="sec_another"), by=as_ada)
    assert KeySecret.objects.get(pk=issued.secret.pk).works(now)


def test_of_an_unknown_kind_no_digest_moves(issued: IssuedKey) -> None:
    with pytest.raises(ValueError, match="unpack"):
        redigest(StaleDigest("unknown", issued.secret.public_id, b"o" * 32, b"n" * 32))


def test_a_deliberate_end_is_never_revived_by_an_overlap(issued: IssuedKey, as_ada: Actor, now: datetime) -> None:
    roll_credential(issued.credential, overlap=24 * HOUR, by=as_ada)
    end_old_secret(issued.credential, issued.secret, by=as_ada)
    roll_credential(issued.credential, overlap=24 * HOUR, by=as_ada)
    ended = KeySecret.objects.get(pk=issued.secret.pk)
    assert ended.ends_at is not None
    assert not ended.works(ended.ends_at)


def test_a_digest_moves_to_the_first_pepper_once(issued: IssuedKey) -> None:
    old, new = bytes(KeySecret.objects.get(pk=issued.secret.pk).digest), b"n" * 32
    KeySecret.objects.filter(pk=issued.secret.pk).update(pepper_version="0")
    stale = StaleDigest("secret", issued.secret.public_id, old, new)
    assert redigest(stale)
    assert not redigest(stale)
    moved = KeySecret.objects.get(pk=issued.secret.pk)
    assert (bytes(moved.digest), moved.pepper_version) == (new, "1")
