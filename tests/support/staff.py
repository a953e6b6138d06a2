"""Staff for tests, with a second factor: eve is a superuser, sam has single permissions."""

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Permission
from django.db.models import Q
from django.test import Client

from portal.models import User
from tests.support.browsers import signed_in_by


def make_superuser(email: str = "eve@example.com") -> User:
    """A superuser with a second factor."""
    return _with_second_factor(User.objects.create_superuser(email))


def make_staff(*permissions: str, email: str = "sam@example.com") -> User:
    """A staff member with these Django permissions and a second factor."""
    user = User.objects.create_user(email, is_staff=True)
    for permission in permissions:
        app_label, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(Q(content_type__app_label=app_label), codename=codename))
    return _with_second_factor(user)


def in_admin(user: User) -> Client:
    """A browser in which the person has just signed in with the second factor."""
    return signed_in_by(user, "mfa")


def _with_second_factor(user: User) -> User:
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    TOTP.activate(user, generate_totp_secret())
    return user
