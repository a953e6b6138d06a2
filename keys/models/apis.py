"""APIs, their scopes, and the secrets of their backends."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from keys.models.credentials import REVOKED_WITH_A_REASON, Environment, RevokeReason, Secret
from keys.rules.field_rules import (
    DEFAULT_TOKEN_LIFETIME_S,
    MAX_SCOPE_CHARS,
    MAX_TOKEN_LIFETIME_S,
    MIN_TOKEN_LIFETIME_S,
    RateLimit,
)
from keys.rules.ids import api_id
from portal.ids import MAX_PUBLIC_ID_CHARS
from portal.names import MAX_NAME_CHARS


class SigningAlgorithm(models.TextChoices):
    """The algorithm that signs an API's access tokens (RFC 7518 §3.1, RFC 8037 §3.1)."""

    ES256 = "ES256", "ES256"
    RS256 = "RS256", "RS256"
    EDDSA = "EdDSA", "EdDSA"


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
