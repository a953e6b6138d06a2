"""The names of snapshots: what a change touches, and what a verdict reads. Pure."""


def secret_name(digest: bytes) -> str:
    """The snapshot of an API key as one of its secrets opens it."""
    return f"secret:{digest.hex()}"


def api_secret_name(digest: bytes) -> str:
    """The snapshot of an API secret."""
    return f"apisecret:{digest.hex()}"


def organization_name(organization_id: str) -> str:
    """The snapshot of an organization, by its public id."""
    return f"org:{organization_id}"


def api_name(api_id: str) -> str:
    """The snapshot of an API, by its public id."""
    return f"api:{api_id}"


def client_name(client_id: str) -> str:
    """The snapshot of an OAuth client, by its public id."""
    return f"client:{client_id}"


SIGNING_KEYS = "signing-keys:all"
