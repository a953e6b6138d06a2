"""The public ids of this app's nouns. Pure."""

from portal.ids import public_id


def client_id() -> str:
    """A new OAuth client's id."""
    return public_id("client")
