"""The database states the rules too: each named constraint, broken once; and the audit that nobody rewrites."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import DatabaseError

from keys.models import Api, ApiKey, ApiSecret, Caller, KeySecret, Notice, Scope, Submission, Usage
from keys.services.api_secrets import IssuedApiSecret
from keys.services.keys import IssuedKey
from portal.models import AuditEvent, Invitation, Membership, Organization, ServiceAccount, User

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
DAY = timedelta(days=1)
UUID = "00000000-0000-7000-8000-000000000000"


def breaks(name: str, act: Callable[[], object]) -> bool:
    """Whether the act is refused by the constraint of this name (SQLite names columns for unique ones)."""
    try:
        with transaction.atomic():
            act()
    except IntegrityError as exc:
        return name in str(exc) or "UNIQUE constraint failed" in str(exc)
    return False


def test_each_rule_on_keys_is_held(issued: IssuedKey, now: datetime) -> None:
    key, keys = issued.credential, ApiKey.objects.filter(pk=issued.credential.pk)
    assert breaks("key_has_a_name", lambda: keys.update(name=""))
    assert breaks("key_environment_known", lambda: keys.update(environment="prod"))
    assert breaks("key_begins_before_it_ends", lambda: keys.update(not_before=now, expires_at=now))
    assert breaks("key_revoked_with_a_reason", lambda: keys.update(revoked_at=now))
    assert breaks("key_revoked_with_a_reason", lambda: keys.update(revoke_reason="leaked"))
    another = {"key": key, "pepper_version": "1", "hint": "x", "created_at": now}
    assert breaks("key_secret_one_without_end", lambda: KeySecret.objects.create(digest=b"a", **another))
    taken = bytes(KeySecret.objects.get(key=key).digest)
    assert breaks("digest", lambda: KeySecret.objects.create(digest=taken, ends_at=now, **another))


def test_each_rule_on_apis_is_held(api_secret: IssuedApiSecret, now: datetime) -> None:
    api, apis = api_secret.secret.api, Api.objects.filter(pk=api_secret.secret.api_id)
    secrets = ApiSecret.objects.filter(pk=api_secret.secret.pk)
    assert breaks("api_has_a_name", lambda: apis.update(name=""))
    assert breaks("api_has_an_identifier", lambda: apis.update(identifier=""))
    assert breaks("api_identifier_unique", lambda: Api.objects.create(name="x", identifier=api.identifier))
    assert breaks("scope_unique_in_api", lambda: Scope.objects.create(api=api, name="orders:read"))
    for name in ("a b", 'a"', "a\\", "", "ä"):
        assert breaks("scope_grammar", partial(Scope.objects.create, api=api, name=name))
    assert breaks("api_secret_environment_known", lambda: secrets.update(environment="prod"))
    assert breaks("api_secret_revoked_with_a_reason", lambda: secrets.update(revoked_at=now))


def test_each_rule_on_what_is_counted_and_told_is_held(issued: IssuedKey, now: datetime) -> None:
    key = issued.credential
    use = {"secret_id": issued.secret.public_id, "hour": now, "code": "VALID"}
    Usage.objects.create(**use)
    assert breaks("usage_unique", lambda: Usage.objects.create(**use))
    Caller.objects.create(key=key, address="10.0.0.1", last_seen_at=now)
    assert breaks("caller_unique", lambda: Caller.objects.create(key=key, address="10.0.0.1", last_seen_at=now))
    Notice.objects.create(key=key, kind="expired", about="x")
    assert breaks("notice_once", lambda: Notice.objects.create(key=key, kind="expired", about="x"))
    Submission.objects.create(token=UUID, subject_id=key.public_id)
    assert breaks("token", lambda: Submission.objects.create(token=UUID, subject_id=key.public_id))


def test_each_rule_on_people_is_held(ada: User, acme: Organization, initech: Organization) -> None:
    assert breaks("user_email_unique", lambda: User.objects.create(email="ADA@example.com"))
    assert breaks("organization_has_a_name", lambda: Organization.objects.create(name=""))
    assert breaks("membership_unique", lambda: Membership.objects.create(organization=acme, user=ada, role="viewer"))
    assert breaks(
        "membership_role_known", lambda: Membership.objects.create(organization=initech, user=ada, role="god")
    )


def test_each_rule_on_teams_is_held(key: ApiKey, now: datetime) -> None:
    acme = Organization.objects.filter(pk=key.organization_id)
    account = ServiceAccount.objects.create(organization=key.organization, name="deploys")
    assert breaks("organization_external_id_not_empty", lambda: acme.update(external_id=""))
    assert breaks("organization_live_keys_by_known", lambda: acme.update(live_keys_by="viewer"))
    assert breaks("service_account_has_a_name", lambda: ServiceAccount.objects.filter(pk=account.pk).update(name=""))
    again = {"organization": key.organization, "name": "deploys"}
    assert breaks("service_account_name_unique", lambda: ServiceAccount.objects.create(**again))
    both = ApiKey.objects.filter(pk=key.pk)
    assert breaks("key_has_one_owner_at_most", lambda: both.update(service_account=account))
    place = {"organization": key.organization, "email": "x@example.com", "sent_at": now, "expires_at": now}
    Invitation.objects.create(**place, role="viewer", digest=b"a")
    assert breaks("invitation_one_open", lambda: Invitation.objects.create(**place, role="viewer", digest=b"b"))
    assert breaks("invitation_role_known", lambda: Invitation.objects.update(role="god"))
    assert breaks("invitation_ended_somehow", lambda: Invitation.objects.update(ended_at=now))
    assert breaks("invitation_ended_somehow", lambda: Invitation.objects.update(outcome="accepted"))


def test_what_credentials_hang_on_cannot_be_deleted(issued: IssuedKey) -> None:
    for row in (issued.credential.organization, issued.credential.api, issued.credential):
        with pytest.raises(IntegrityError), transaction.atomic():
            row.delete()


def test_nobody_rewrites_the_audit(issued: IssuedKey) -> None:
    event = AuditEvent.objects.get(action="key.issued")
    made_up = {"at": event.at, "action": "Made up", "actor_kind": "user"}
    assert breaks("audit_action_grammar", lambda: AuditEvent.objects.create(**made_up))
    for act in (
        lambda: AuditEvent.objects.filter(pk=event.pk).update(actor_label="somebody else"),
        lambda: AuditEvent.objects.filter(pk=event.pk).delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            act()
