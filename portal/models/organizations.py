"""Organizations, their members, service accounts and invitations."""

from typing import ClassVar

from django.db import models

from portal.ids import MAX_PUBLIC_ID_CHARS, invitation_id, organization_id, service_account_id
from portal.metadata import MAX_EXTERNAL_ID_CHARS
from portal.models.people import User
from portal.names import MAX_NAME_CHARS
from portal.permissions import Action, Role, can
from portal.policies import LIVE_KEY_MAKERS, Policies


class Organization(models.Model):
    """A consumer, company or person, that owns credentials.

    The operator sets ``external_id`` (the organization's id in other systems) and ``operator_metadata``; responses to
    backends carry both.
    """

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=organization_id, editable=False)
    name = models.CharField(max_length=MAX_NAME_CHARS)
    external_id = models.CharField(max_length=MAX_EXTERNAL_ID_CHARS, null=True, blank=True, unique=True)
    operator_metadata: "models.JSONField[dict[str, object]]" = models.JSONField(default=dict, db_default={}, blank=True)
    is_personal = models.BooleanField(default=False)
    suspended_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    max_key_lifetime_days = models.PositiveIntegerField(null=True, blank=True)
    key_expiry_required = models.BooleanField(default=False)
    live_networks_required = models.BooleanField(default=False)
    live_keys_by = models.CharField(
        max_length=16, default=Role.DEVELOPER, choices=[(role.value, role.value.title()) for role in LIVE_KEY_MAKERS]
    )
    second_factor_from = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="organizations")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(name=""), name="organization_has_a_name"),
            models.CheckConstraint(condition=~models.Q(external_id=""), name="organization_external_id_not_empty"),
            models.CheckConstraint(
                condition=models.Q(live_keys_by__in=[role.value for role in LIVE_KEY_MAKERS]),
                name="organization_live_keys_by_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def policies(self) -> Policies:
        """Return the organization's rules for its members and their keys."""
        return Policies(
            self.max_key_lifetime_days,
            self.key_expiry_required,
            self.live_networks_required,
            Role(self.live_keys_by),
            self.second_factor_from,
        )


class Membership(models.Model):
    """A person's role in an organization."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, role.value.title()) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_unique"),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}"

    def can(self, action: Action) -> bool:
        """Return True if this member's role allows the action."""
        return can(Role(self.role), action)


class Invitation(models.Model):
    """An offer of membership to the person who reads mail at an address. Only the digest of its token is stored."""

    class Outcome(models.TextChoices):
        """How the invitation ended."""

        ACCEPTED = "accepted"
        DECLINED = "declined"
        REVOKED = "revoked"

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=invitation_id, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=[(role.value, role.value.title()) for role in Role])
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "email"], condition=models.Q(ended_at=None), name="invitation_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None, outcome="")
                | models.Q(ended_at__isnull=False, outcome__in=["accepted", "declined", "revoked"]),
                name="invitation_ended_somehow",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="invitation_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.organization}"


class ServiceAccount(models.Model):
    """A member that is not a person: it owns keys that outlive memberships, and nobody can sign in as it."""

    public_id = models.CharField(
        max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=service_account_id, editable=False
    )
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="service_accounts")
    name = models.CharField(max_length=MAX_NAME_CHARS)
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(name=""), name="service_account_has_a_name"),
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=models.Q(removed_at=None),
                name="service_account_name_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def display_name(self) -> str:
        """Return the name to show, as for a person."""
        return self.name
