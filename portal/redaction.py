"""Mask whatever has the shape of a secret in text that goes to a log. Pure.

Shapes, not values: whoever logs need not know what is secret, and a secret put where none belongs is masked too.
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
    # A secret of ours, also cut short, mistyped or percent-encoded; a hint such as lk_live_7Qd3…x9Kf is not one.
    (re.compile(r"[a-z0-9]{2,12}(?:_|%5f)(?:live|test|cs|api)(?:_|%5f)[0-9a-z]{24,}", re.IGNORECASE), MASK),
    # A JWT or JWE: base64url of '{"' and more parts.
    (re.compile(r"eyJ[\w-]{6,}(?:\.[\w-]*){1,4}"), MASK),
    # A header with credentials, however it is spelled: "Cookie: …", 'HTTP_COOKIE': '…', (b'cookie', b'…').
    (
        re.compile(
            r"""((?:authorization|cookie|x[-_]api[-_]key|http_api_key|(?<!\w)api-key|x[-_]latchkey[-_]secret|x[-_]csrftoken)['"]?\s*[:=,]\s*b?['"]?)[^'"\r\n]+""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{16,}", re.IGNORECASE), rf"\1 {MASK}"),
    # The one-time part of a mailed link, and the password in a URL such as redis://:…@host.
    (re.compile(r"(/password/reset/key/[0-9a-z]+-)[^/\s'\"?]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(/invited/)(?!(?:acceptance|declining|switch)/)[^/\s'\"?]+"), rf"\1{MASK}"),
    (re.compile(r"(/confirm-email/)[^/\s'\"?]+"), rf"\1{MASK}"),
    (re.compile(r"(://[^/\s:@'\"]*:)[^@/\s'\"]+(?=@)"), rf"\1{MASK}"),
)


def redact(text: str) -> str:
    """The text with everything masked that has a secret's shape."""
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def redact_value(value: object) -> object:
    """A log value with its texts masked; whatever is no plain data becomes its ``repr``, masked."""
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
    """Whether a field of this name holds a credential whatever its shape."""
    return str(name).lower().replace("_", "-").removeprefix("http-") in _SENSITIVE_NAMES
