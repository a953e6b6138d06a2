"""Parse the text that a person pastes to identify a token: the whole token or its ``jti``. Pure."""

import base64
import json

from oauth.protocol.jti import status_index_of

MAX_TOKEN_INPUT_CHARS = 16_384


def jti_in(text: str) -> str:
    """The ``jti`` in a pasted text; raises ValueError if there is none.

    The token is not verified: a person who revokes may name any token of the client, and gets an error if the client
    has no token with this ``jti``.
    """
    text = text.strip()
    if status_index_of(text) is not None:
        return text
    try:
        _header, payload, _signature = text.split(".")
        claims = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        claims = None
    match claims:
        case {"jti": str(jti)}:
            return jti
        case _:
            raise ValueError("This is no access token. Paste all of one, or its jti.")
