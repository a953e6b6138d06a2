"""How people get in."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter


class AccountAdapter(DefaultAccountAdapter):
    """Ours."""


class MFAAdapter(DefaultMFAAdapter):
    """Ours."""
