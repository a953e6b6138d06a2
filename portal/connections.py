"""Django's settings for the database, the cache and the mail server."""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from portal.env_types import connection_parameters

# The cache of embedded mode.
LOCAL_CACHE = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "OPTIONS": {"MAX_ENTRIES": 100_000},  # at Django's 300, strangers could push each other's throttles out
}


def database_from_url(url: SecretStr) -> dict[str, object]:
    """Return Django's ``DATABASES`` entry for the URL, which is parsed as psql parses it.

    Connections are pooled, with timeouts for a hung server. No option needs a server session of its own, so that
    PgBouncer in transaction mode works, too.
    """
    found = connection_parameters(url.get_secret_value())
    user = found.pop("user", "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": found.pop("dbname", "" if "service" in found else user),
        "USER": user,
        "PASSWORD": found.pop("password", ""),
        "HOST": found.pop("host", ""),
        "PORT": found.pop("port", ""),
        "CONN_MAX_AGE": 0,  # the pool keeps connections; Django refuses both together
        # Otherwise Django would open cursors that outlive a transaction, and a pooler may switch connections then.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "CONN_HEALTH_CHECKS": True,  # checked when taken from the pool: a server restart breaks pooled connections
        "OPTIONS": {
            # After an outage, retry within a second or two; the pool's default back-off grows to minutes.
            "pool": {"min_size": 0, "max_size": 20, "timeout": 2, "reconnect_timeout": 1},
            "connect_timeout": 2,
            "tcp_user_timeout": 5000,
            **found,
        },
    }


def sqlite_database(file: Path) -> dict[str, object]:
    """Return Django's ``DATABASES`` entry for embedded mode."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",  # the write lock first, so that what a transaction reads stays valid
            "timeout": 5,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON",
        },
    }


def redis_cache(url: str) -> dict[str, object]:
    """Return Django's ``CACHES`` entry for production mode."""
    return {
        "BACKEND": "portal.cache.FallbackCache",
        "LOCATION": url,
        "KEY_PREFIX": "latchkey",
        "OPTIONS": {
            "serializer": "portal.cache.JsonSerializer",
            "socket_timeout": 0.25,
            "socket_connect_timeout": 0.25,
        },
    }


def email_from_url(url: SecretStr, *, public_url: str) -> dict[str, object]:
    """Return Django's mail settings for ``smtp[s|+tls]://user:password@host:port?from=address`` or ``console:``.

    Without ``from``, the sender is ``no-reply@`` and the host of ``public_url``.
    """
    parts = urlsplit(url.get_secret_value())
    sender = parse_qs(parts.query).get("from", [f"no-reply@{urlsplit(public_url).hostname}"])[0]
    common: dict[str, object] = {"DEFAULT_FROM_EMAIL": f"Latchkey <{sender}>"}
    if parts.scheme == "console":
        return common | {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    return common | {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }
