"""The types of settings: how each is read from its text, and which text is refused. The errors show no value."""

import base64
import binascii
import ipaddress
import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Annotated
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from pydantic_settings import NoDecode

from portal.edge.proxies import Network, parse_network

MAX_PEPPERS = 3
LEAST_TOLERANCE_S = 120
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,16}", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


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
    connection_parameters(text)
    return url


def connection_parameters(url: str) -> dict[str, str]:
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


def _outlasts_ttl(stale_s: int, info: ValidationInfo) -> int:
    if stale_s < info.data.get("snapshot_ttl", 0) + LEAST_TOLERANCE_S:
        raise ValueError(f"must be at least SNAPSHOT_TTL + {LEAST_TOLERANCE_S}")
    return stale_s


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Keys = Annotated[tuple[VersionedKey, ...], NoDecode, BeforeValidator(_keys)]
Peppers = Annotated[Keys, AfterValidator(_peppers)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
Brand = Annotated[str, AfterValidator(_brand)]
Signup = Annotated[str, AfterValidator(_signup)]
OutlastingTtl = Annotated[int, AfterValidator(_outlasts_ttl)]
Host = Annotated[str, AfterValidator(_host)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
EmailUrl = Annotated[SecretStr, AfterValidator(_email_url)]
