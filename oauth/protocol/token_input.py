"""What a person pastes to name one token: the whole of it, or its ``jti``. Pure."""

import base64
import json

from oauth.protocol.jti import place_of

MAX_PASTED_CHARS = 16_384


def jti_in(text: str) -> str:
    """The id of the token that was pasted; raises ValueError for what holds none.

    Nothing is believed of the token: who revokes may name any token of the client, and is told if there is none.
    """
    text = text.strip()
    if place_of(text) is not None:
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
