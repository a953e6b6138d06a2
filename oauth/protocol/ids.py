"""Public ids of OAuth clients. Pure."""

import re

from portal.ids import ID_CHARS, public_id

_CLIENT_ID = re.compile(rf"client_[0-9A-Za-z]{{{ID_CHARS}}}", re.ASCII)


def client_id() -> str:
    """An id for a new OAuth client."""
    return public_id("client")


def is_client_id(text: str) -> bool:
    """Whether the text has the form of a client id; a client with that id need not exist."""
    return _CLIENT_ID.fullmatch(text) is not None
