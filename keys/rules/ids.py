"""The public ids of this app's nouns. Pure."""

from portal.ids import public_id


def api_id() -> str:
    """A new API's id."""
    return public_id("api")


def key_id() -> str:
    """A new API key's id."""
    return public_id("key")


def secret_id() -> str:
    """A new secret's id."""
    return public_id("sec")
