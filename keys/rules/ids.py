"""Make public ids for APIs, keys and secrets. Pure."""

from portal.ids import public_id


def api_id() -> str:
    """Make an id for a new API."""
    return public_id("api")


def key_id() -> str:
    """Make an id for a new API key."""
    return public_id("key")


def secret_id() -> str:
    """Make an id for a new secret."""
    return public_id("sec")
