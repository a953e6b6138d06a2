"""Parse the body of a validate request: a credential and a call, as one JSON object. Pure.

There are two parsers. The fast one takes the form that nearly every caller sends. Its cost is low for any input, so it
may run before the caller is authenticated. It returns None when unsure; then the strict parser runs, which names every
fault and is for authenticated callers only. Where both return a request, the two are equal.

``scopes`` and ``cost`` are chosen by the backend: out of bounds, they are faults of its request. The other fields come
from the backend's own caller. They are a fault only if they are no string. An unreadable value becomes "", or, in
``ip``, no address.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from keys.rules.field_rules import is_scope
from keys.validation.strict_json import parse_object
from keys.validation.types import Call
from portal.edge.proxies import canonical_address

MAX_SCOPES = 100
MAX_COST = 1_000_000
MAX_METHOD_CHARS = 64
MAX_PATH_CHARS = 8_192
MAX_VALUES = 512  # JSON values in one body; a valid request has about 110 at most
_MAX_QUOTES = 2 * 2 * (MAX_SCOPES + 6 + 6)  # twice the quotes around all texts and names of a valid request
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 §5.6.2
_SHOWABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}", re.ASCII)


class ValidateRequest(Struct, frozen=True, gc=False):
    """A validate request: a credential, and the call it is presented for."""

    credential: str
    call: Call

    def __repr__(self) -> str:
        return f"ValidateRequest(***, {self.call!r})"


class InvalidFields(ValueError):
    """Fields are unknown, missing, null, ill-typed or out of range; ``faults`` maps each field to its fault."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


class _Fields(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    credential: str
    scopes: Annotated[tuple[str, ...], Meta(max_length=MAX_SCOPES)] = ()
    ip: str = ""
    method: str = ""
    path: str = ""
    cost: Annotated[int, Meta(ge=0, le=MAX_COST)] = 0


_decoder = msgspec.json.Decoder(_Fields)


def fast_parse(body: bytes) -> ValidateRequest | None:
    """Parse a body of ASCII without escapes, with each member once and within bounds; any other body gives None."""
    quotes = body.count(b'"')
    if quotes > _MAX_QUOTES or b"\\" in body or not body.isascii():
        return None
    try:
        asked = _decoder.decode(body)
    except msgspec.DecodeError:
        return None
    members = 1 + bool(asked.scopes) + bool(asked.ip) + bool(asked.method) + bool(asked.path) + bool(asked.cost)
    texts = 1 + len(asked.scopes) + bool(asked.ip) + bool(asked.method) + bool(asked.path)
    if quotes != 2 * (members + texts):  # some member is there twice, or is there and empty
        return None
    if not all(map(is_scope, asked.scopes)):
        return None
    method, path = asked.method, asked.path
    call = Call(
        frozenset(asked.scopes),
        canonical_address(asked.ip) if asked.ip else None,
        _read_method(method) if method else None,
        _read_path(path) if path else None,
        asked.cost or 1,
    )
    return ValidateRequest(asked.credential, call)


def _read_method(text: str) -> str:
    return text if len(text) <= MAX_METHOD_CHARS and _TOKEN.fullmatch(text) else ""


def _read_path(text: str) -> str:
    return text if text.startswith("/") and len(text) <= MAX_PATH_CHARS else ""


def strict_parse(body: bytes) -> ValidateRequest:
    """Parse any valid body; raises NotAnObject or InvalidFields."""
    members = parse_object(body, max_values=MAX_VALUES)
    if faults := _faults(members):
        raise InvalidFields(faults)
    fields: Mapping[str, Any] = members  # ``_faults`` has just checked the types
    call = Call(
        scopes=frozenset(fields.get("scopes", ())),
        address=canonical_address(fields["ip"]) if "ip" in fields else None,
        method=_read_method(fields["method"]) if "method" in fields else None,
        path=_read_path(fields["path"]) if "path" in fields else None,
        cost=fields.get("cost", 1),
    )
    return ValidateRequest(fields["credential"], call)


def _faults(body: Mapping[str, object]) -> dict[str, str]:
    faults: dict[str, str] = {}
    for name, value in body.items():
        check = _FIELDS.get(name)
        if check is None:
            # A longer name may be a credential in the wrong place: do not repeat it in the response.
            faults[name if _SHOWABLE_NAME.fullmatch(name) else "?"] = "is unknown"
        elif fault := check(value):
            faults[name] = fault
    if "credential" not in body:
        faults["credential"] = "is missing"
    return faults


def _check_text(value: object) -> str | None:
    return None if isinstance(value, str) else "must be a string"


def _check_scopes(value: object) -> str | None:
    if (
        isinstance(value, list)
        and len(value) <= MAX_SCOPES
        and all(isinstance(item, str) and is_scope(item) for item in value)
    ):
        return None
    return f"must be a list of at most {MAX_SCOPES} scopes, each 1 to 128 characters of the RFC 6749 grammar"


def _check_cost(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_COST:
        return None
    return f"must be an integer from 1 to {MAX_COST}"


_FIELDS: dict[str, Callable[[object], str | None]] = {
    "credential": _check_text,
    "scopes": _check_scopes,
    "ip": _check_text,
    "method": _check_text,
    "path": _check_text,
    "cost": _check_cost,
}
