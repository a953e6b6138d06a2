"""API keys for lists. Every query starts from the keys that the member may see."""

from django.db.models import Q, QuerySet

from keys.models import ApiKey, KeySecret
from keys.pages.listing import Listing, scopes_contain
from keys.rules.secret import SecretKind
from portal.models import Organization

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
    keys = ApiKey.objects.filter(organization=organization)
    return keys.select_related("organization", "api", "owner", "service_account")
