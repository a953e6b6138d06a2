"""Read every setting from the environment, and refuse to start if one is invalid. No Django here.

There are two modes. *Production*: ``DATABASE_URL`` is set, and all other required settings must be set, too.
*Embedded*: none of the production settings is set; SQLite, no Redis, loopback only. Any mix of the two stops start-up
with an error that names every fault at once and shows no value.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from portal.env_types import (
    Brand,
    DatabaseUrl,
    EmailUrl,
    Host,
    Keys,
    Names,
    Networks,
    OutlastingTtl,
    Peppers,
    PublicUrl,
    RedisUrl,
    Signup,
)

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


class BadEnvironment(Exception):
    """The environment is unusable; the text names every faulty setting and shows no value."""


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Env(BaseSettings):
    """Settings of both modes. The environment variable of a field is its name in capitals."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, arbitrary_types_allowed=True, frozen=True
    )

    key_brand: Brand = "lk"
    signup: Signup = "open"
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
    snapshot_ttl: Annotated[int, Field(ge=1, le=600)] = 240
    snapshot_copies: Annotated[int, Field(ge=0)] = 100_000
    snapshot_stale_if_error: Annotated[OutlastingTtl, Field(le=3600)] = 540
    rate_limit_without_redis: Literal["local", "open", "closed"] = "local"
    metrics_token: SecretStr | None = None
    log_level: LogLevel = "WARNING"  # so that mails stand out in the terminal
    debug: bool = False
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    var_dir: Path = BASE_DIR / "var"
    latchkey_served: bool = False


class Production(Env):
    """Settings of production mode; the first eight are required."""

    database_url: DatabaseUrl
    redis_url: RedisUrl
    secret_key: Annotated[SecretStr, Field(min_length=32)]
    key_peppers: Peppers
    encryption_keys: Keys
    allowed_hosts: Annotated[Names, Field(min_length=1)]
    public_url: PublicUrl
    email_url: EmailUrl
    trusted_proxies: Networks = ()
    plain_http_networks: Networks = ()
    database_pooler: Literal["transaction"] | None = None
    web_host: Host = "127.0.0.1"
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
