"""Parse the form of an OAuth request. Strict: a form that two parsers read differently can bypass a check. Pure."""

import re
from urllib.parse import unquote_to_bytes

from oauth.protocol.errors import InvalidRequest

MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_PARAMETERS = 100
MAX_ESCAPES = 2_048
_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")

Form = dict[str, str]


def read_form(body: bytes) -> Form:
    """The parameters with a value, by name; raises InvalidRequest.

    RFC 6749 §3.2: a repeated parameter is an error, and a parameter without a value counts as omitted. Unknown
    parameters are returned too: the caller ignores them.
    """
    check_size(body)
    try:
        if b"%" in body or b"+" in body:
            pairs = [tuple(map(decode, pair.split(b"=", 1))) for pair in body.split(b"&") if pair]
        else:
            pairs = [tuple(pair.split("=", 1)) for pair in body.decode().split("&") if pair]
    except ValueError:
        raise InvalidRequest("The form is not well encoded, or not in UTF-8.") from None
    form = {name: value[0] if value else "" for name, *value in pairs}
    if len(form) < len(pairs):
        raise InvalidRequest("A parameter stands in the form more than once.")
    return {name: value for name, value in form.items() if value}


def check_size(body: bytes) -> None:
    """Raise InvalidRequest for a form that would cost too much to decode. Call it before decoding."""
    if body.count(b"&") >= MAX_PARAMETERS or body.count(b"%") > MAX_ESCAPES:
        raise InvalidRequest("The form has too many parameters or escapes.")


def decode(raw: bytes) -> str:
    """Decode a form-encoded name or value (RFC 6749 App. B); raises ValueError."""
    if b"%" in raw or b"+" in raw:
        if _BROKEN_PERCENT.search(raw):
            raise ValueError("a percent sign that begins nothing")
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    return raw.decode()
