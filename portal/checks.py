"""System checks for settings that contradict each other or are unsafe, run before the first request."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's name for it
from django.http.request import validate_host

CONSOLE = "django.core.mail.backends.console.EmailBackend"


@register()
def check_requests_are_not_atomic(**_: Any) -> list[CheckMessage]:
    """Refuse ATOMIC_REQUESTS: caches would be invalidated before the request's transaction commits."""
    if any(database.get("ATOMIC_REQUESTS") for database in settings.DATABASES.values()):
        return [Error("ATOMIC_REQUESTS must be off: services open durable transactions.", id="portal.E001")]
    return []


@register(Tags.security)
def check_public_url(**_: Any) -> list[CheckMessage]:
    """Check that this site answers at ``PUBLIC_URL``, which mails link to, and that it uses https."""
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
    """Warn if production prints mails to the log: no mail is delivered, and log readers could use the links."""
    if not settings.EMBEDDED and settings.MAIL_BACKEND == CONSOLE:
        return [Warning("EMAIL_URL prints mails into the log, reset links included.", id="portal.W003")]
    return []
