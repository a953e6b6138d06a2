"""What tests of the key pages share."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from keys.models import Api, ApiKey, Environment, KeySecret, Usage
from keys.services.keys import IssuedKey, KeySettings, issue_key
from portal.audit import Actor
from portal.models import Organization


@pytest.fixture
def new_key_form() -> dict[str, str]:
    """A filled-in form for a new key."""
    return {
        "submission": str(uuid4()),
        "name": "checkout-prod",
        "environment": "live",
        "template": "custom",
        "access:orders": "read",
        "lifetime": "90",
    }


@pytest.fixture
def issue(acme: Organization, api: Api, as_ada: Actor) -> Callable[[str], ApiKey]:
    """Make a live key of Acme by this name, for a day."""

    def issued(name: str) -> ApiKey:
        wanted = KeySettings(name, scopes=["orders:read"], expires_at=timezone.now() + timedelta(days=1))
        return issue_key(acme, api, wanted, environment=Environment.LIVE, by=as_ada).credential

    return issued


@pytest.fixture
def use() -> Callable[[ApiKey, datetime], None]:
    """Note that a key's newest secret was used then."""

    def used(key: ApiKey, at: datetime) -> None:
        secret = key.secrets.latest("pk")
        KeySecret.objects.filter(pk=secret.pk).update(last_used_at=at, last_used_from="203.0.113.9")
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=at)
        hour = at.replace(minute=0, second=0, microsecond=0)
        Usage.objects.create(secret_id=secret.public_id, key=key, hour=hour, code="VALID", count=1204)

    return used


@pytest.fixture
def used_key(issued: IssuedKey, use: Callable[[ApiKey, datetime], None], now: datetime) -> ApiKey:
    """A key that was used a minute ago."""
    use(issued.credential, now - timedelta(minutes=1))
    return ApiKey.objects.get(pk=issued.credential.pk)
