"""Models for people, organizations, the audit trail, sessions, queued mails and the outbox."""

from datetime import tzinfo
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils.text import capfirst

from portal.audit_actions import AuditAction, action_name
from portal.ids import MAX_PUBLIC_ID_CHARS, event_id, invitation_id, organization_id, service_account_id, user_id
from portal.metadata import MAX_EXTERNAL_ID_CHARS
from portal.names import MAX_NAME_CHARS
from portal.permissions import Action, Role, can
from portal.policies import LIVE_KEY_MAKERS, Policies
from portal.preferences import MAX_TIME_ZONE_CHARS, Density
from portal.ui.times import zone_named

MAX_USER_AGENT_CHARS = 200
INTERNAL_REASON = "internal_reason"  # the name of a value in an audit event that members may not read


class UserManager(BaseUserManager["User"]):
    """Create users by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        """Create a user with this address; without a password, nobody can sign in by password."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        """Create a user with all admin rights.

        ``portal.accounts.receivers`` completes and audits the user in the same transaction; if that fails, nothing is
        saved.
        """
        with transaction.atomic():
            return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with this address, ignoring case."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, who signs in with an e-mail address. An empty ``time_zone`` means that of the browser."""

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=user_id, editable=False)
    email = models.EmailField("e-mail address", max_length=254, unique=True)
    name = models.CharField(max_length=MAX_NAME_CHARS, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    unwanted_mails: "models.JSONField[list[str]]" = models.JSONField(default=list, blank=True)
    time_zone = models.CharField(max_length=MAX_TIME_ZONE_CHARS, blank=True, db_default="", default="")
    density = models.CharField(max_length=16, choices=Density.choices, db_default="comfortable", default="comfortable")
    date_joined = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(Lower("email"), name="user_email_unique")]

    def __str__(self) -> str:
        return self.email

    @property
    def display_name(self) -> str:
        """Return the name to show for the person."""
        return self.name or self.email

    @property
    def name_and_address(self) -> str:
        """Return the name with the address behind it, to tell people apart; without a name, the address alone."""
        return f"{self.name} ({self.email})" if self.name else self.email

    @property
    def zone(self) -> tzinfo:
        """Return the chosen time zone; UTC if none is chosen."""
        return zone_named(self.time_zone)


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


class Session(AbstractBaseSession):
    """The session of one browser; its key is a digest, and its data is encrypted (``portal.accounts.sessions``)."""

    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="sessions")
    # The user whose sign-in has passed its first step in this session; it does not sign anybody in.
    begun_by = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="begun_sessions")
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=MAX_USER_AGENT_CHARS, blank=True)

    def __str__(self) -> str:
        return f"{self.user or 'a visitor'} since {self.created_at:%Y-%m-%d %H:%M:%S}"


def audit_actions() -> list[tuple[str, str]]:
    """Return the actions as choices; a function, so that a new action needs no migration."""
    return [(action.value, capfirst(action_name(action))) for action in AuditAction]


class AuditEvent(models.Model):
    """One audit event. Triggers make the table append-only; ids are text, so that events outlive their subjects."""

    public_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, unique=True, default=event_id, editable=False)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=64, choices=audit_actions)
    organization_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    actor_label = models.CharField(max_length=254, blank=True)
    subject_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    subject_label = models.CharField(max_length=254, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["organization_id", "-at", "-id"], name="audit_by_organization"),
            models.Index(fields=["subject_id", "-at", "-id"], name="audit_by_subject"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(action__regex=r"^[a-z_]+\.[a-z_]+$"), name="audit_action_grammar"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.subject_label}".strip()

    @property
    def after_for_members(self) -> dict[str, object]:
        """Return the values after the change, without the operator's internal reason."""
        return {name: value for name, value in self.after.items() if name != INTERNAL_REASON}


class UnsealedEvent(models.Model):
    """A committed event without a seal yet. A trigger adds the row with the event; the sealer deletes it."""

    event = models.OneToOneField(AuditEvent, models.DO_NOTHING, primary_key=True, related_name="unsealed")

    def __str__(self) -> str:
        return f"event {self.event_id}"


class AuditSeal(models.Model):
    """A link of an organization's hash chain over its events; append-only.

    A seal without an event is the last one that pruning left: the rest of the chain starts from its digest.
    """

    organization_id = models.CharField(max_length=MAX_PUBLIC_ID_CHARS, blank=True)
    seq = models.PositiveBigIntegerField()
    event = models.OneToOneField(AuditEvent, models.DO_NOTHING, null=True, blank=True, related_name="seal")
    digest = models.BinaryField(max_length=32, editable=False)
    sealed_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["organization_id", "seq"], name="audit_seal_once")]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.seq}"


class OutboxEntry(models.Model):
    """Snapshot names that a committed change invalidates and that the caches may still hold."""

    names = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{len(self.names)} names since {self.created_at:%Y-%m-%d %H:%M:%S}"


class QueuedMail(models.Model):
    """A mail that waits to be sent. Its content is encrypted: a code or link in it may let a reader sign in."""

    recipient = models.EmailField(max_length=254, db_index=True)
    content = models.TextField(editable=False)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"mail {self.pk}, due at {self.due_at:%Y-%m-%d %H:%M:%S}"


class SweepRun(models.Model):
    """When the sweep of this name last completed; an old time shows that the worker is down."""

    name = models.CharField(max_length=64, primary_key=True)
    ended_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.ended_at:%Y-%m-%d %H:%M:%S}"
