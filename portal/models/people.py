"""People and their sessions."""

from datetime import tzinfo
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models, transaction
from django.db.models.functions import Lower

from portal.ids import MAX_PUBLIC_ID_CHARS, user_id
from portal.names import MAX_NAME_CHARS
from portal.preferences import MAX_TIME_ZONE_CHARS, Density
from portal.ui.times import zone_named

MAX_USER_AGENT_CHARS = 200


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
