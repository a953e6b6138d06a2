"""Django's view of this app, and of the admin site that wears our sign-in."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class PortalConfig(AppConfig):
    """The shell: people, organizations, audit."""

    name = "portal"
    default = True

    def ready(self) -> None:
        """Connect the checks and the audit of account events, and say what a process does while it serves."""
        from django.conf import settings

        from portal import (
            audit_seals,
            checks,  # noqa: F401  # registering is the effect
        )
        from portal.accounts import receivers  # noqa: F401  # registering is the effect
        from portal.edge import lifespan
        from portal.mails import queue

        lifespan.while_serving(audit_seals.seal_each_second)
        if not settings.EMBEDDED:
            lifespan.while_serving(queue.send_late_mails)


class LatchkeyAdminConfig(admin_apps.AdminConfig):
    """Stock admin with our site in place of Django's."""

    default = False
    default_site = "portal.staff.site.LatchkeyAdminSite"
