"""Read service accounts, for pages. Only services change them."""

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from keys.models import ApiKey
from portal.models import Organization, ServiceAccount


def visible_service_accounts(organization: Organization) -> QuerySet[ServiceAccount]:
    """Return the service accounts that were not removed, by name, with ``keys_n`` (unrevoked) and ``last_used_at``."""
    accounts = ServiceAccount.objects.filter(organization=organization, removed_at=None).select_related("organization")
    live = Count("api_keys", filter=Q(api_keys__revoked_at=None))
    return accounts.annotate(keys_n=live, last_used_at=_last_used()).order_by("name")


def _last_used() -> Subquery:
    keys = ApiKey.objects.filter(service_account=OuterRef("pk")).order_by(F("last_used_at").desc(nulls_last=True))
    return Subquery(keys.values("last_used_at")[:1])
