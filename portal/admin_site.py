"""The operator's site: stock admin behind the portal's own sign-in."""

from django.contrib import admin


class LatchkeyAdminSite(admin.AdminSite):
    """Admin for the operator's staff."""

    site_header = "Latchkey"
    site_title = "Latchkey"
