"""Settings that contradict each other or leave something open, found before the first request."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's name for it
from django.http.request import validate_host

CONSOLE = "django.core.mail.backends.console.EmailBackend"


@register()
def check_requests_are_not_atomic(**_: Any) -> list[CheckMessage]:
    """Operations commit before they tell the caches; a transaction around the whole request would turn that round."""
    if any(database.get("ATOMIC_REQUESTS") for database in settings.DATABASES.values()):
        return [Error("ATOMIC_REQUESTS must be off: services open durable transactions.", id="portal.E001")]
    return []


@register(Tags.security)
def check_public_url(**_: Any) -> list[CheckMessage]:
    """``PUBLIC_URL`` is where mails lead: we must answer there, and over https."""
    found: list[CheckMessage] = []
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        found.append(Error("The host of PUBLIC_URL is not in ALLOWED_HOSTS.", id="portal.E002"))
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Warning("ALLOWED_HOSTS lets any host in.", hint="Name the hosts that lead here.", id="portal.W001")
        )
    if not settings.EMBEDDED and not settings.HTTPS:
        found.append(
            Warning(
                "PUBLIC_URL is plain http: cookies and secrets travel in the clear.",
                hint="Only for trying things out on one machine.",
                id="portal.W002",
            )
        )
    return found


@register()
def check_mail(**_: Any) -> list[CheckMessage]:
    """In production, mail on the console reaches nobody, and whoever reads the log can use the links in it."""
    if not settings.EMBEDDED and settings.MAIL_BACKEND == CONSOLE:
        return [Warning("EMAIL_URL prints mails into the log, reset links included.", id="portal.W003")]
    return []
