"""The one way into embedded mode: its processes are started by ``manage.py serve`` alone."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def require_served() -> None:
    """Raise ImproperlyConfigured in a process of embedded mode that ``manage.py serve`` did not start."""
    if settings.EMBEDDED and not settings.SERVED:
        raise ImproperlyConfigured(
            "DATABASE_URL is not set. Start the embedded portal with `python manage.py serve` (or `make run`);"
            " to start its processes yourself, set all production settings (see .env.example)."
        )
