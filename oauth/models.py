"""OAuth clients, their secrets and grants; revoked tokens; blocks of status lists; signing keys.

Rows are facts, changed by ``oauth.services`` alone. Issuing a token writes no row. A token is revoked by its client's
row (``generation``), by a ``RevokedToken``, or by the status block that its status index was leased with.
"""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from keys.models import REVOKED_WITH_A_REASON, Api, Credential, Environment, Secret, SigningAlgorithm
from keys.rules.field_rules import MAX_TOKEN_LIFETIME_S, MIN_TOKEN_LIFETIME_S
from oauth.protocol.ids import client_id
from oauth.protocol.jti import MAX_JTI_CHARS
from oauth.protocol.status_list import LIST_SIZE, new_seed
from portal.ids import MAX_PUBLIC_ID_CHARS
from portal.models import Organization, ServiceAccount, User

CLOCKS_DIFFER = timedelta(hours=1)  # an end that lies further back has passed by every clock
MAX_KID_CHARS = 43  # an RFC 7638 thumbprint


class Client(Credential):
    """An OAuth 2.0 client of one organization; it gets access tokens with a secret or with its own key.

    ``public_keys`` is the ``keys`` list of a JWK Set; a client with public keys authenticates only by
    ``private_key_jwt``.
    """

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=client_id, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="clients")
    owner = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="clients")
    service_account = models.ForeignKey(ServiceAccount, models.PROTECT, null=True, blank=True, related_name="clients")
    public_keys: "models.JSONField[list[dict[str, str]]]" = models.JSONField(default=list, blank=True)
    token_lifetime_s = models.PositiveIntegerField(null=True, blank=True)
    generation = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = "OAuth client"
        indexes: ClassVar = [
            models.Index(fields=["organization", "-created_at", "-id"], name="client_by_created"),
            models.Index(fields=["organization", "name", "id"], name="client_by_name"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(name=""), name="client_has_a_name"),
            models.CheckConstraint(condition=Q(environment__in=Environment.values), name="client_environment_known"),
            models.CheckConstraint(
                condition=Q(owner=None) | Q(service_account=None), name="client_has_one_owner_at_most"
            ),
            models.CheckConstraint(
                condition=Q(token_lifetime_s=None)
                | Q(token_lifetime_s__range=(MIN_TOKEN_LIFETIME_S, MAX_TOKEN_LIFETIME_S)),
                name="client_token_lifetime_within_bounds",
            ),
            models.CheckConstraint(condition=Q(generation__gte=1), name="client_generation_begins_at_one"),
            models.CheckConstraint(condition=REVOKED_WITH_A_REASON, name="client_revoked_with_a_reason"),
        ]


class ClientSecret(Secret):
    """A secret of a client."""

    client = models.ForeignKey(Client, models.PROTECT, related_name="secrets")

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # As for API keys: the newest secret has no end of its own; a roll ends it and adds the next.
            models.UniqueConstraint(fields=["client"], condition=Q(ends_at=None), name="client_secret_one_without_end"),
        ]


class Grant(models.Model):
    """A client's access to one API: the scopes that its tokens may have there."""

    client = models.ForeignKey(Client, models.PROTECT, related_name="grants")
    api = models.ForeignKey(Api, models.PROTECT, related_name="grants")
    scopes: "models.JSONField[list[str]]" = models.JSONField(default=list, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "api"], name="grant_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.client} at {self.api}"


class StatusList(models.Model):
    """A Token Status List; ``pk`` is the number in its address and is never reused.

    Slots are leased in order and published under indexes that ``oauth.protocol.status_list`` permutes by the seed.
    From ``struck_at`` on, every index is invalid: after a restore it is unknown which indexes tokens have.
    """

    seed = models.BinaryField(max_length=32, default=new_seed, editable=False)
    next_slot = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    struck_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(next_slot__lte=LIST_SIZE), name="status_list_within_size"),
        ]

    def __str__(self) -> str:
        return f"list {self.pk}, {self.next_slot} of {LIST_SIZE} slots taken"


class StatusBlock(models.Model):
    """Slots ``first`` to ``first + count - 1`` of a list, for tokens of one client, API, generation and signing key.

    By ``ends_at`` every token with one of the slots has expired. ``signing_key`` is null in blocks that were leased
    before this column existed.
    """

    status_list = models.ForeignKey(StatusList, models.PROTECT, related_name="blocks")
    first = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    client = models.ForeignKey(Client, models.PROTECT, related_name="status_blocks")
    api = models.ForeignKey(Api, models.PROTECT, related_name="status_blocks")
    generation = models.PositiveIntegerField()
    signing_key = models.ForeignKey("SigningKey", models.PROTECT, null=True, blank=True, related_name="status_blocks")
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["status_list", "first"], name="status_block_begins_once"),
            models.CheckConstraint(
                condition=Q(count__gte=1, first__lte=LIST_SIZE - F("count")), name="status_block_within_list"
            ),
        ]

    def __str__(self) -> str:
        return f"slots {self.first} to {self.first + self.count - 1} of list {self.status_list_id}"


class RevokedTokenQuerySet(models.QuerySet["RevokedToken"]):
    """Queries on individually revoked tokens."""

    def remembered(self, now: datetime | Now) -> "RevokedTokenQuerySet":
        """Revoked tokens that may still be unexpired by the clock of some process."""
        return self.filter(expires_at__gt=now - CLOCKS_DIFFER)


class RevokedToken(models.Model):
    """An individually revoked access token; the row is kept until the token has expired."""

    client = models.ForeignKey(Client, models.PROTECT, related_name="revoked_tokens")
    jti = models.CharField(max_length=MAX_JTI_CHARS)
    status_list = models.ForeignKey(StatusList, models.PROTECT, related_name="revoked_tokens")
    index = models.PositiveIntegerField()
    revoked_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    objects = RevokedTokenQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "jti"], name="revoked_token_once"),
            models.CheckConstraint(condition=Q(index__lt=LIST_SIZE), name="revoked_token_within_list"),
        ]

    def __str__(self) -> str:
        return self.jti


class SigningKey(models.Model):
    """A key pair that signs access tokens. It is published from its creation until ``kept_until``.

    It signs from ``signs_from`` until ``signs_until``. Its state (next, active, retiring, retired) follows from these
    times: ``oauth.protocol.key_rotation.state``.
    """

    kid = models.CharField(max_length=MAX_KID_CHARS, unique=True, editable=False)
    algorithm = models.CharField(max_length=8, choices=SigningAlgorithm.choices, editable=False)
    public_key: "models.JSONField[dict[str, str]]" = models.JSONField(editable=False)
    private_key = models.TextField(editable=False, help_text="Encrypted; the kid is bound in.")
    created_at = models.DateTimeField(editable=False)
    signs_from = models.DateTimeField(editable=False)
    signs_until = models.DateTimeField(null=True, editable=False)
    kept_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(algorithm__in=SigningAlgorithm.values), name="signing_key_algorithm_known"
            ),
            models.CheckConstraint(
                condition=Q(signs_until=None, kept_until=None)
                | Q(
                    signs_until__isnull=False,
                    kept_until__isnull=False,
                    signs_until__gte=F("signs_from"),
                    kept_until__gte=F("signs_until"),
                ),
                name="signing_key_ends_in_order",
            ),
            # The newest key of an algorithm has no end until its successor is made. Without the constraint two
            # processes could each make the first key at the same time.
            models.UniqueConstraint(
                fields=["algorithm"], condition=Q(signs_until=None), name="signing_key_one_without_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid}"
