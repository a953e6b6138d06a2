"""APIs, API keys, their secrets and their usage: stored facts, changed only by ``keys.services``."""

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from keys.rules.field_rules import (
    DEFAULT_TOKEN_LIFETIME_S,
    MAX_AGENT_CHARS,
    MAX_NOTE_CHARS,
    MAX_QUOTA,
    MAX_SCOPE_CHARS,
    MAX_TOKEN_LIFETIME_S,
    MIN_TOKEN_LIFETIME_S,
    REFILLS,
    QuotaLimit,
    RateLimit,
)
from keys.rules.ids import api_id, key_id, secret_id
from keys.rules.secret import MAX_HINT_CHARS
from portal.ids import MAX_PUBLIC_ID_CHARS
from portal.models import Organization, ServiceAccount, User
from portal.names import MAX_NAME_CHARS

MAX_PEPPER_VERSION_CHARS = 16


class Environment(models.TextChoices):
    """The environment of the API that a credential is for."""

    LIVE = "live"
    TEST = "test"


class SigningAlgorithm(models.TextChoices):
    """The algorithm that signs an API's access tokens (RFC 7518 §3.1, RFC 8037 §3.1)."""

    ES256 = "ES256", "ES256"
    RS256 = "RS256", "RS256"
    EDDSA = "EdDSA", "EdDSA"


class RevokeReason(models.TextChoices):
    """The reason for a revocation."""

    LEAKED = "leaked", "It leaked"
    REPLACED = "replaced", "It was replaced"
    UNUSED = "unused", "It is no longer used"
    OTHER = "other", "Another reason"


REVOKED_WITH_A_REASON = Q(revoked_at=None, revoke_reason="") | Q(
    revoked_at__isnull=False, revoke_reason__in=RevokeReason.values
)


class Api(models.Model):
    """A protected resource server, run by the operator."""

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=api_id, editable=False)
    name = models.CharField(max_length=MAX_NAME_CHARS)
    identifier = models.CharField(max_length=255, help_text="A URI; the audience of its tokens.")
    description = models.CharField(max_length=300, blank=True)
    default_rate_limits: "models.JSONField[list[RateLimit]]" = models.JSONField(default=list, blank=True)
    max_rate_limits: "models.JSONField[list[RateLimit]]" = models.JSONField(default=list, db_default=[], blank=True)
    signing_algorithm = models.CharField(
        max_length=8,
        choices=SigningAlgorithm.choices,
        default=SigningAlgorithm.ES256,
        help_text="What its backends verify.",
    )
    token_lifetime_s = models.PositiveIntegerField(default=DEFAULT_TOKEN_LIFETIME_S)
    is_builtin = models.BooleanField(default=False, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = "API"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["identifier"], name="api_identifier_unique"),
            models.CheckConstraint(condition=~Q(name=""), name="api_has_a_name"),
            models.CheckConstraint(condition=~Q(identifier=""), name="api_has_an_identifier"),
            models.CheckConstraint(
                condition=Q(signing_algorithm__in=SigningAlgorithm.values), name="api_signing_algorithm_known"
            ),
            models.CheckConstraint(
                condition=Q(token_lifetime_s__range=(MIN_TOKEN_LIFETIME_S, MAX_TOKEN_LIFETIME_S)),
                name="api_token_lifetime_within_bounds",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Scope(models.Model):
    """A permission of an API that a credential may have."""

    api = models.ForeignKey(Api, models.PROTECT, related_name="scopes")
    name = models.CharField(max_length=MAX_SCOPE_CHARS)
    description = models.CharField(max_length=200, blank=True)
    is_sensitive = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["api", "name"], name="scope_unique_in_api"),
            # RFC 6749 §3.3: printable ASCII without space, quote and backslash.
            models.CheckConstraint(condition=Q(name__regex=r"^[!#-\[\]-~]+$"), name="scope_grammar"),
        ]

    def __str__(self) -> str:
        return self.name


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


class ApiSecret(Secret):
    """A secret with which a backend or gateway may validate one API's credentials in one environment.

    ``line`` is the id of the first secret; rolling adds a secret to the line.
    """

    api = models.ForeignKey(Api, models.PROTECT, related_name="secrets")
    environment = models.CharField(max_length=8, choices=Environment.choices)
    name = models.CharField(max_length=MAX_NAME_CHARS)
    line = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, db_index=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.CharField(max_length=16, choices=RevokeReason.choices, blank=True)

    class Meta:
        verbose_name = "API secret"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(environment__in=Environment.values), name="api_secret_environment_known"
            ),
            models.CheckConstraint(condition=REVOKED_WITH_A_REASON, name="api_secret_revoked_with_a_reason"),
        ]


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


class Usage(models.Model):
    """How many responses a secret got, per hour and code; ``secret_id`` is its public id."""

    secret_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS)
    key = models.ForeignKey(ApiKey, models.PROTECT, related_name="usage", null=True)
    hour = models.DateTimeField()
    code = models.CharField(max_length=32)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["key", "hour"], name="usage_by_key")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["secret_id", "hour", "code"], name="usage_unique")]

    def __str__(self) -> str:
        return f"{self.secret_id} {self.hour:%Y-%m-%d %H}:00 {self.code} {self.count} times"


class UsageBatch(models.Model):
    """A usage batch that was added to Usage. This row keeps the batch from being added twice."""

    id = models.CharField(max_length=32, primary_key=True)
    folded_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.id


class Caller(models.Model):
    """An address that a key's calls came from, as its backends report it."""

    key = models.ForeignKey(ApiKey, models.PROTECT, related_name="callers")
    address = models.GenericIPAddressField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "address"], name="caller_unique")]

    def __str__(self) -> str:
        return self.address


class QuotaUse(models.Model):
    """The uses of a key's quota since ``period`` began: a day, a month, or ``date.min`` for all time."""

    key = models.OneToOneField(ApiKey, models.PROTECT, primary_key=True, related_name="quota_use")
    period = models.DateField()
    used = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(used__gte=1), name="quota_use_is_use")]

    def __str__(self) -> str:
        return f"{self.used} since {self.period}"


class Submission(models.Model):
    """A submitted form: its one-time id, and the id of the object it created. A repeated POST creates nothing."""

    token = models.UUIDField(unique=True)
    subject_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.subject_id


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
