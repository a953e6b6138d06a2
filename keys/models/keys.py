"""API keys, their secrets, and the notices to their owners."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from keys.models.apis import Api
from keys.models.credentials import REVOKED_WITH_A_REASON, Credential, Environment, Secret
from keys.rules.field_rules import MAX_QUOTA, REFILLS, QuotaLimit
from keys.rules.ids import key_id
from portal.ids import MAX_PUBLIC_ID_CHARS
from portal.models import Organization, ServiceAccount, User


class ApiKey(Credential):
    """A logical credential of one organization for one API. Its secrets change; the key stays."""

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=key_id, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="api_keys")
    api = models.ForeignKey(Api, models.PROTECT, related_name="api_keys")
    owner = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="api_keys")
    service_account = models.ForeignKey(ServiceAccount, models.PROTECT, null=True, blank=True, related_name="api_keys")
    scopes: "models.JSONField[list[str]]" = models.JSONField(default=list, blank=True)
    quota: "models.JSONField[QuotaLimit | None]" = models.JSONField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    expiry_recorded_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        indexes: ClassVar = [
            models.Index(fields=["organization", "-created_at", "-id"], name="key_by_created"),
            models.Index(fields=["organization", "name", "id"], name="key_by_name"),
            models.Index(fields=["expires_at"], name="key_by_expiry", condition=Q(expiry_recorded_at=None)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(name=""), name="key_has_a_name"),
            models.CheckConstraint(condition=Q(environment__in=Environment.values), name="key_environment_known"),
            models.CheckConstraint(condition=Q(owner=None) | Q(service_account=None), name="key_has_one_owner_at_most"),
            models.CheckConstraint(
                condition=Q(not_before=None) | Q(expires_at=None) | Q(not_before__lt=F("expires_at")),
                name="key_begins_before_it_ends",
            ),
            models.CheckConstraint(condition=REVOKED_WITH_A_REASON, name="key_revoked_with_a_reason"),
            models.CheckConstraint(
                condition=Q(quota__isnull=True)
                | Q(quota__limit__gte=1, quota__limit__lte=MAX_QUOTA, quota__refill__in=REFILLS),
                name="key_quota_known",
            ),
        ]


class KeySecret(Secret):
    """One secret of an API key."""

    key = models.ForeignKey(ApiKey, models.PROTECT, related_name="secrets")

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # The newest secret of a key has no end. Rolling gives it an end and adds the next one.
            models.UniqueConstraint(fields=["key"], condition=Q(ends_at=None), name="key_secret_one_without_end"),
        ]


class Notice(models.Model):
    """A notice to a key's owner. This row keeps it from being sent twice."""

    class Kind(models.TextChoices):
        """The event that the notice is about."""

        EXPIRES_IN_30_DAYS = "expires_in_30_days"
        EXPIRES_IN_7_DAYS = "expires_in_7_days"
        EXPIRES_IN_1_DAY = "expires_in_1_day"
        EXPIRED = "expired"
        SECRET_ENDED = "secret_ended"  # noqa: S105  # a name, not a password

    key = models.ForeignKey(ApiKey, models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=24, choices=Kind.choices)
    about = models.CharField(
        max_length=64, help_text="The instant or the secret it tells of: an extended key is told again."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "kind", "about"], name="notice_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key_id}"
