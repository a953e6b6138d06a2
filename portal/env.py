"""Read every setting from the environment, and refuse to start if one is invalid. No Django here.

There are two modes. *Production*: ``DATABASE_URL`` is set, and all other required settings must be set, too.
*Embedded*: none of the production settings is set; SQLite, no Redis, loopback only. Any mix of the two stops start-up
with an error that names every fault at once and shows no value.
"""

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from portal.edge.proxies import Network, parse_network

BASE_DIR = Path(__file__).resolve().parent.parent
PRODUCTION_SETTINGS = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "KEY_PEPPERS",
    "ENCRYPTION_KEYS",
    "ALLOWED_HOSTS",
    "PUBLIC_URL",
    "EMAIL_URL",
    "TRUSTED_PROXIES",
    "PLAIN_HTTP_NETWORKS",
)
MAX_PEPPERS = 3
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,16}", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


class BadEnvironment(Exception):
    """The environment is unusable; the text names every faulty setting and shows no value."""


class VersionedKey:
    """A 32-byte key and the version under which it is stored; ``repr`` hides the key."""

    __slots__ = ("key", "version")

    def __init__(self, version: str, key: bytes) -> None:
        self.version = version
        self.key = key

    def __repr__(self) -> str:
        return f"VersionedKey({self.version!r}, ***)"


def _items(value: object) -> object:
    return tuple(item for raw in value.split(",") if (item := raw.strip())) if isinstance(value, str) else value


def versioned_keys(text: str) -> tuple[VersionedKey, ...]:
    """Parse comma-separated ``<version>:<base64url of 32 bytes>``; raise ValueError."""
    keys: list[VersionedKey] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        version, colon, encoded = item.partition(":")
        if not colon or not _VERSION.fullmatch(version):
            raise ValueError("each entry is <version>:<base64url of 32 bytes>")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"version {version}: not base64url") from None
        if len(key) != 32:
            raise ValueError(f"version {version}: {len(key)} bytes where 32 are needed")
        keys.append(VersionedKey(version, key))
    if not keys:
        raise ValueError("at least one <version>:<base64url of 32 bytes> is needed")
    if len({key.version for key in keys}) != len(keys):
        raise ValueError("two entries have the same version")
    return tuple(keys)


def _keys(value: object) -> object:
    return versioned_keys(value) if isinstance(value, str) else value


def _peppers(keys: tuple[VersionedKey, ...]) -> tuple[VersionedKey, ...]:
    if len(keys) > MAX_PEPPERS:
        raise ValueError(f"at most {MAX_PEPPERS} peppers are read; retire the oldest")
    return keys


def _networks(value: object) -> object:
    items = _items(value)
    if not isinstance(items, tuple):
        return items
    try:
        return tuple(parse_network(item) for item in items)
    except ValueError:
        raise ValueError("each entry is a network such as 10.0.0.0/8") from None


def is_loopback_url(url: str) -> bool:
    """Return True if the URL's host is ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(url: str) -> SplitResult:
    """Return the parts of a URL; raise a ValueError that, unlike the standard library's, does not quote the URL."""
    try:
        parts = urlsplit(url)
        is_usable = parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ValueError("is no URL: look at the host and the port")
    return parts


def _public_url(url: str) -> str:
    parts = _split(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be an https URL such as https://keys.example.com")
    if parts.scheme == "http" and not is_loopback_url(url):
        raise ValueError("must be https; plain http is for localhost and loopback addresses only")
    if url != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError("must end after the host (and port): no trailing slash, path, query or user")
    return url


def _database_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql:// or postgres://")
    _connection_parameters(text)
    return url


def _connection_parameters(url: str) -> dict[str, str]:
    """Return the parameters that libpq reads from the URL; raise a ValueError that does not quote the URL."""
    from psycopg import ProgrammingError  # embedded mode needs no PostgreSQL driver
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError:
        raise ValueError("is no connection URL that libpq can read") from None
    hosts, ports = found.get("host", "").split(","), found.get("port", "5432").split(",")
    if any("@" in host for host in hosts):
        raise ValueError("has an @ in its host: an @ in a user or password is written %40")
    if not all(_PORT.fullmatch(port) and int(port) < 65_536 for port in ports):
        raise ValueError("has a port that is no number from 1 to 65535")
    if len(ports) not in {1, len(hosts)}:
        raise ValueError("needs one port, or one for each host")
    if not {"dbname", "user", "service"} & found.keys():
        raise ValueError("names no database")
    return found


def _redis_url(url: SecretStr) -> SecretStr:
    import redis  # embedded mode needs no Redis driver

    text = url.get_secret_value()
    parts = _split(text)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or not re.fullmatch(r"/?|/[0-9]+", parts.path):
        raise ValueError("must be redis://[user:password@]host[:port][/number of the database], or rediss:// for TLS")
    try:
        redis.ConnectionPool.from_url(text).make_connection()  # connects to nothing; refuses an unknown parameter
    except (TypeError, ValueError, redis.RedisError):
        raise ValueError("has a parameter after the ? that is unknown, or a value that it cannot have") from None
    return url


def _email_url(url: SecretStr) -> SecretStr:
    parts = _split(url.get_secret_value())
    is_smtp = parts.scheme in {"smtp", "smtps", "smtp+tls"} and parts.hostname and parts.path in {"", "/"}
    if not is_smtp and parts.scheme != "console":
        raise ValueError(
            "must be smtp://, smtp+tls:// or smtps://user:password@host:port?from=address;"
            " console: prints mails, reset links included, into the log"
        )
    query = parse_qs(parts.query)
    if query.keys() - {"from"} or parts.fragment:
        raise ValueError("takes nothing after the host and port but ?from=address; # and ? are written %23 and %3F")
    for sender in query.get("from", []):
        try:
            Address(addr_spec=sender)
        except (ValueError, HeaderParseError):
            raise ValueError("names no mail address after from=") from None
    return url


def _brand(brand: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{2,12}", brand):
        raise ValueError("must be 2 to 12 of a-z and 0-9")
    return brand


def _host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError("must be an address to listen on, such as 0.0.0.0 or ::") from None


def _signup(value: str) -> str:
    if value in {"open", "invite"}:
        return value
    domains = [domain.strip().lower() for domain in value.split(",") if domain.strip()]
    if not domains or not all(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain) for domain in domains):
        raise ValueError("must be open, invite, or mail domains such as example.com,example.org")
    return ",".join(domains)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Keys = Annotated[tuple[VersionedKey, ...], NoDecode, BeforeValidator(_keys)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Env(BaseSettings):
    """Settings of both modes. The environment variable of a field is its name in capitals."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, arbitrary_types_allowed=True, frozen=True
    )

    key_brand: Annotated[str, AfterValidator(_brand)] = "lk"
    signup: Annotated[str, AfterValidator(_signup)] = "open"
    max_keys_per_organization: Annotated[int, Field(ge=1)] = 1000
    max_clients_per_organization: Annotated[int, Field(ge=1)] = 100
    max_organizations_per_user: Annotated[int, Field(ge=1)] = 10
    max_members_per_organization: Annotated[int, Field(ge=1)] = 1000
    max_invitations_per_day: Annotated[int, Field(ge=0)] = 100
    widest_ipv4_prefix: Annotated[int, Field(ge=0, le=32)] = 8
    widest_ipv6_prefix: Annotated[int, Field(ge=0, le=128)] = 32
    environment_name: Annotated[str, Field(max_length=40)] = ""
    audit_retention_days: Annotated[int, Field(ge=30)] = 400  # the database refuses to delete younger events
    usage_retention_days: Annotated[int, Field(ge=31)] = 120
    snapshot_ttl: Annotated[int, Field(ge=1, le=60)] = 30
    snapshot_copies: Annotated[int, Field(ge=0)] = 100_000
    snapshot_stale_if_error: Annotated[int, Field(ge=60, le=3600)] = 300
    rate_limit_without_redis: Literal["local", "open", "closed"] = "local"
    metrics_token: SecretStr | None = None
    log_level: LogLevel = "WARNING"  # so that mails stand out in the terminal
    debug: bool = False
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    var_dir: Path = BASE_DIR / "var"
    latchkey_served: bool = False


class Production(Env):
    """Settings of production mode; the first eight are required."""

    database_url: Annotated[SecretStr, AfterValidator(_database_url)]
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)]
    secret_key: Annotated[SecretStr, Field(min_length=32)]
    key_peppers: Annotated[Keys, AfterValidator(_peppers)]
    encryption_keys: Keys
    allowed_hosts: Annotated[Names, Field(min_length=1)]
    public_url: Annotated[str, AfterValidator(_public_url)]
    email_url: Annotated[SecretStr, AfterValidator(_email_url)]
    trusted_proxies: Networks = ()
    plain_http_networks: Networks = ()
    web_host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    log_level: LogLevel = "INFO"


def is_embedded(environ: Mapping[str, str]) -> bool:
    """Return True if no production setting is set: SQLite, no Redis, loopback only."""
    return not any(environ.get(name) for name in PRODUCTION_SETTINGS)


def load() -> Env | Production:
    """Read the settings of the mode that the environment selects.

    Raises BadEnvironment, which names every missing or malformed setting at once without its value.
    """
    if not is_embedded(os.environ) and not os.environ.get("DATABASE_URL"):
        found = ", ".join(name for name in PRODUCTION_SETTINGS if os.environ.get(name))
        raise BadEnvironment(f"DATABASE_URL is not set, yet {found} is: set all production settings, or none of them.")
    try:
        return Env() if is_embedded(os.environ) else Production()  # type: ignore[call-arg]  # fields come from the environment
    except ValidationError as exc:
        raise BadEnvironment(_explain(exc)) from None


def _explain(exc: ValidationError) -> str:
    lines = ["The environment cannot be used:"]
    for error in exc.errors(include_input=False, include_url=False, include_context=False):
        name = str(error["loc"][0]).upper() if error["loc"] else "?"
        message = "is missing" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
        lines.append(f"  {name}: {message}")
    return "\n".join(lines)


def database_from_url(url: SecretStr) -> dict[str, object]:
    """Return Django's ``DATABASES`` entry for the URL, which is parsed as psql parses it.

    Connections are pooled, with timeouts for a hung server. No option needs a server session of its own, so that
    PgBouncer in transaction mode works, too.
    """
    found = _connection_parameters(url.get_secret_value())
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
