"""Django's configuration of this app, and of the admin site with Latchkey's own sign-in."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class PortalConfig(AppConfig):
    """The base app: people, organizations and the audit trail."""

    name = "portal"
    default = True

    def ready(self) -> None:
        """Register the checks, the signal receivers and the background work of a serving process."""
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
    """Django's admin with this app's admin site."""

    default = False
    default_site = "portal.staff.site.LatchkeyAdminSite"
