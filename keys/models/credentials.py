"""The fields that keys, OAuth clients and API secrets share."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from keys.rules.field_rules import MAX_AGENT_CHARS, MAX_NOTE_CHARS, RateLimit
from keys.rules.ids import secret_id
from keys.rules.secret import MAX_HINT_CHARS
from portal.ids import MAX_PUBLIC_ID_CHARS
from portal.models import Organization, ServiceAccount, User
from portal.names import MAX_NAME_CHARS

MAX_PEPPER_VERSION_CHARS = 16


class Environment(models.TextChoices):
    """The environment of the API that a credential is for."""

    LIVE = "live"
    TEST = "test"


class RevokeReason(models.TextChoices):
    """The reason for a revocation."""

    LEAKED = "leaked", "It leaked"
    REPLACED = "replaced", "It was replaced"
    UNUSED = "unused", "It is no longer used"
    OTHER = "other", "Another reason"


REVOKED_WITH_A_REASON = Q(revoked_at=None, revoke_reason="") | Q(
    revoked_at__isnull=False, revoke_reason__in=RevokeReason.values
)


class Secret(models.Model):
    """A secret whose text is shown once; only its digest is stored."""

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=secret_id, editable=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    pepper_version = models.CharField(max_length=MAX_PEPPER_VERSION_CHARS, editable=False)
    hint = models.CharField(max_length=MAX_HINT_CHARS, editable=False)
    created_at = models.DateTimeField(editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    ends_at = models.DateTimeField(null=True, blank=True)
    end_recorded_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    last_used_agent = models.CharField(
        max_length=MAX_AGENT_CHARS, blank=True, default="", db_default="", editable=False
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.hint

    def works(self, now: datetime) -> bool:
        """Tell whether this secret, taken alone, has not ended: ``now < ends_at``."""
        return self.ends_at is None or now < self.ends_at


class Credential(models.Model):
    """The common fields of API keys and OAuth clients. Subclasses define the columns only annotated here."""

    public_id: "models.CharField[str, str]"
    organization: "models.ForeignKey[Organization, Organization]"
    owner: "models.ForeignKey[User | None, User | None]"
    owner_id: int | None
    service_account: "models.ForeignKey[ServiceAccount | None, ServiceAccount | None]"
    service_account_id: int | None
    secrets: Any
    expires_at: "datetime | None" = None  # a type without a column of this name never ends
    environment = models.CharField(max_length=8, choices=Environment.choices)
    name = models.CharField(max_length=MAX_NAME_CHARS)
    note = models.CharField(max_length=MAX_NOTE_CHARS, blank=True)
    networks: "models.JSONField[list[str]]" = models.JSONField(default=list, blank=True)
    rate_limits: "models.JSONField[list[RateLimit]]" = models.JSONField(default=list, blank=True)
    metadata: "models.JSONField[dict[str, object]]" = models.JSONField(default=dict, blank=True)
    operator_metadata: "models.JSONField[dict[str, object]]" = models.JSONField(default=dict, db_default={}, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.CharField(max_length=16, choices=RevokeReason.choices, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def owner_name(self) -> str:
        """The person or service account that owns it; empty if the person's account was deleted."""
        owner = self.service_account or self.owner
        return owner.display_name if owner else ""


class Submission(models.Model):
    """A submitted form: its one-time id, and the id of the object it created. A repeated POST creates nothing."""

    token = models.UUIDField(unique=True)
    subject_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.subject_id
