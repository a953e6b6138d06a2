"""Mask text that has the shape of a secret before it is logged. Pure.

Masking goes by shape: callers need not know which values are secret, and a secret in the wrong place is masked, too.
"""

import re
from collections.abc import Mapping

MASK = "[redacted]"
_SENSITIVE_NAMES = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "api-key",
        "x-latchkey-secret",
        "x-csrftoken",
        "csrfmiddlewaretoken",
        "password",
        "password1",
        "password2",
        "oldpassword",
        "secret",
        "client-secret",
        "secret-key",
        "key-peppers",
        "encryption-keys",
    }
)
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    # One of our secrets, also truncated, mistyped or percent-encoded. A hint such as lk_live_7Qd3…x9Kf does not match.
    (re.compile(r"[a-z0-9]{2,12}(?:_|%5f)(?:live|test|cs|api)(?:_|%5f)[0-9a-z]{24,}", re.IGNORECASE), MASK),
    # A JWT or JWE: base64url of '{"', then more parts.
    (re.compile(r"eyJ[\w-]{6,}(?:\.[\w-]*){1,4}"), MASK),
    # A header with credentials in any spelling: "Cookie: …", 'HTTP_COOKIE': '…', (b'cookie', b'…').
    (
        re.compile(
            r"""((?:authorization|cookie|x[-_]api[-_]key|http_api_key|(?<!\w)api-key|x[-_]latchkey[-_]secret|x[-_]csrftoken)['"]?\s*[:=,]\s*b?['"]?)[^'"\r\n]+""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{16,}", re.IGNORECASE), rf"\1 {MASK}"),
    # The one-time token in a mailed link, and the password in a URL such as redis://:…@host.
    (re.compile(r"(/password/reset/key/[0-9a-z]+-)[^/\s'\"?]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(/invited/)(?!(?:acceptance|declining|switch)/)[^/\s'\"?]+"), rf"\1{MASK}"),
    (re.compile(r"(/confirm-email/)[^/\s'\"?]+"), rf"\1{MASK}"),
    (re.compile(r"(://[^/\s:@'\"]*:)[^@/\s'\"]+(?=@)"), rf"\1{MASK}"),
)
# A URL may hold only as much of a secret as its hint: the prefix and four characters. The second pattern finds a long
# part of a secret without the prefix. The third finds a shorter part that looks random: letters of both cases, and a
# digit before a letter. Ids and thumbprints of keys are random as well, but are joined to other characters by _ or -.
_BEGINNING = re.compile(r"([a-z0-9]{2,12}_(?:live|test|cs|api)_[0-9A-Za-z]{4})[0-9A-Za-z]+", re.ASCII)
_LONG_PART = re.compile(r"([0-9A-Za-z]{4})[0-9A-Za-z]{28,}", re.ASCII)
_RANDOM_PART = re.compile(
    r"(?:(?<![0-9A-Za-z_-])|(?<=live_)|(?<=test_)|(?<=cs_))"
    r"(?=[0-9A-Za-z]*[A-Z])(?=[0-9A-Za-z]*[a-z])(?=[0-9A-Za-z]*[0-9][A-Za-z])"
    r"([0-9A-Za-z]{4})[0-9A-Za-z]{12,}+(?![_-])",
    re.ASCII,
)


def cut_secrets(text: str) -> str:
    """Return the text with each secret in it, or long part of one, cut to as much as a hint shows."""
    for part in (_BEGINNING, _LONG_PART, _RANDOM_PART):
        text = part.sub(r"\1", text)
    return text


def redact(text: str) -> str:
    """Return the text with every part masked that has the shape of a secret."""
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def redact_value(value: object) -> object:
    """Return a log value with its texts masked; a value that is not plain data becomes its masked ``repr``."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): MASK if is_sensitive(key) else redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(item) for item in value]
    return redact(repr(value))


def is_sensitive(name: object) -> bool:
    """Return True if a field with this name holds a credential, whatever its shape."""
    return str(name).lower().replace("_", "-").removeprefix("http-") in _SENSITIVE_NAMES
