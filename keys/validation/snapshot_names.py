"""The names of snapshots: services invalidate by them, the engine reads by them. Pure."""


def secret_name(digest: bytes) -> str:
    """Name the snapshot of an API key, by the digest of one of its secrets."""
    return f"secret:{digest.hex()}"


def api_secret_name(digest: bytes) -> str:
    """Name the snapshot of an API secret, by its digest."""
    return f"apisecret:{digest.hex()}"


def organization_name(organization_id: str) -> str:
    """Name the snapshot of an organization, by its public id."""
    return f"org:{organization_id}"


def api_name(api_id: str) -> str:
    """Name the snapshot of an API, by its public id."""
    return f"api:{api_id}"


def client_name(client_id: str) -> str:
    """Name the snapshot of an OAuth client, by its public id."""
    return f"client:{client_id}"


SIGNING_KEYS = "signing-keys:all"
