"""The public ids of this app's nouns. Pure."""

import re

from portal.ids import ID_CHARS, public_id

_CLIENT_ID = re.compile(rf"client_[0-9A-Za-z]{{{ID_CHARS}}}", re.ASCII)


def client_id() -> str:
    """A new OAuth client's id."""
    return public_id("client")


def is_client_id(text: str) -> bool:
    """Whether the text may be a client's id, so that it is worth looking for."""
    return _CLIENT_ID.fullmatch(text) is not None
