"""The pages of API keys. Every query starts from the keys that the member may see."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from keys.models import ApiKey, KeySecret
from keys.pages.credential_pages import CredentialPages
from keys.pages.listing import Listing, scopes_contain
from keys.pages.presenters import KeyView, key_view, use_words
from keys.pages.snippets import with_secret
from keys.pages.usage_reports import callers_of_key, calls_of_key, totals_by_day
from keys.rules.secret import SecretKind
from portal.models import Organization

DAYS = 7
USE_OVER = timedelta(hours=24)

KEYS: Listing[ApiKey] = Listing(
    secrets=KeySecret.objects.all(),
    owner_field="key",
    kinds=frozenset({SecretKind.LIVE, SecretKind.TEST}),
    api="api",
    having_scopes=lambda text: Q(scopes_contain(text)),
    is_paused=Q(disabled_at__isnull=False) | Q(api__disabled_at__isnull=False),
    has_end=True,
)


def visible_keys(organization: Organization) -> QuerySet[ApiKey]:
    """Return the keys that members of the organization may see."""
    return organization.api_keys.select_related("api", "owner", "service_account")


def _views(keys: Sequence[ApiKey], may_manage: Callable[[ApiKey], bool], now: datetime) -> list[KeyView]:
    days = totals_by_day(keys, days=DAYS, now=now)
    return [
        key_view(key, key.working_secrets, may_manage=may_manage(key), now=now, days=days[key.pk])  # type: ignore[attr-defined]  # prefetched
        for key in keys
    ]


def _use_words(key: ApiKey, now: datetime) -> str:
    calls = calls_of_key(key, now=now)
    if not calls.total and key.last_used_at and now - key.last_used_at < USE_OVER:
        return ""  # the batch that holds the last call has not been counted yet
    return use_words(calls, callers_of_key(key, since=now - USE_OVER).count())


def _secret_context(_: ApiKey, secret_text: str) -> Mapping[str, object]:
    return {"snippets": with_secret(secret_text), "whoami_url": f"{settings.PUBLIC_URL}/v1/whoami"}


KEY_PAGES = CredentialPages(
    words=KeyView.words,
    listing=KEYS,
    visible=visible_keys,
    view=key_view,
    views=_views,
    use_words=_use_words,
    secret_context=_secret_context,
    created="keys/_key_created.html",
    edit_page="keys/key_edit.html",
    search_hint="Name, part of the key, scope, id",
    list_page="keys/key_list.html",
    list_columns="keys/_key_columns.html",
    list_cells="keys/_key_cells.html",
)
