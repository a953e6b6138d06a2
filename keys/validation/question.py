"""The question that a backend asks: a credential and a call, from a JSON object; every fault is named. Pure.

There are two ways to read it. The plain one takes what nearly every caller sends and is about five times faster; what
it cannot be sure of goes the careful way, which also says what is wrong. Where both give a question it is the same.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from keys.limits import is_scope
from keys.validation.shapes import Call
from keys.validation.strict_json import parse_object
from portal.proxies import canonical_address

MAX_CREDENTIAL_CHARS = 16_384
MAX_SCOPES = 100
MAX_COST = 1_000_000
MAX_PATH_CHARS = 8_192
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 §5.6.2
_SHOWABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}", re.ASCII)


class Question(Struct, frozen=True, gc=False):
    """A credential, and the call it is to be good for."""

    credential: str
    call: Call

    def __repr__(self) -> str:
        return f"Question(***, {self.call!r})"


class InvalidFields(ValueError):
    """Fields are unknown, missing, null, ill-typed or out of range; ``faults`` says of each what is wrong."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


def read_question(body: bytes) -> Question:
    """The question that the bytes ask; raises NotAnObject or InvalidFields."""
    return _read_plainly(body) or _read_carefully(body)


class _Fields(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    credential: Annotated[str, Meta(min_length=1, max_length=MAX_CREDENTIAL_CHARS)]
    scopes: Annotated[tuple[str, ...], Meta(max_length=MAX_SCOPES)] = ()
    ip: str = ""
    method: str = ""
    path: str = ""
    cost: Annotated[int, Meta(ge=0, le=MAX_COST)] = 0


_decoder = msgspec.json.Decoder(_Fields)


def _read_plainly(body: bytes) -> Question | None:
    """The question, where it is in ASCII without escapes, each member once and well within bounds; else None."""
    if b"\\" in body or not body.isascii():
        return None
    try:
        asked = _decoder.decode(body)
    except msgspec.DecodeError:
        return None
    members = 1 + bool(asked.scopes) + bool(asked.ip) + bool(asked.method) + bool(asked.path) + bool(asked.cost)
    texts = 1 + len(asked.scopes) + bool(asked.ip) + bool(asked.method) + bool(asked.path)
    if body.count(b'"') != 2 * (members + texts):  # one stands twice, or is there and empty
        return None
    scopes, address = _scope_set(asked.scopes), canonical_address(asked.ip)
    if scopes is None or (asked.ip and address is None):
        return None
    if (asked.method and _check_method(asked.method)) or (asked.path and _check_path(asked.path)):
        return None
    call = Call(scopes, address, asked.method or None, asked.path or None, asked.cost or 1)
    return Question(asked.credential, call)


@lru_cache(maxsize=1024)
def _scope_set(scopes: tuple[str, ...]) -> frozenset[str] | None:
    return frozenset(scopes) if all(map(is_scope, scopes)) else None


def _read_carefully(body: bytes) -> Question:
    members = parse_object(body)
    if faults := _faults(members):
        raise InvalidFields(faults)
    fields: Mapping[str, Any] = members  # of the types that were just checked
    call = Call(
        scopes=frozenset(fields.get("scopes", ())),
        address=canonical_address(fields["ip"]) if "ip" in fields else None,
        method=fields.get("method"),
        path=fields.get("path"),
        cost=fields.get("cost", 1),
    )
    return Question(fields["credential"], call)


def _faults(body: Mapping[str, object]) -> dict[str, str]:
    faults: dict[str, str] = {}
    for name, value in body.items():
        check = _FIELDS.get(name)
        if check is None:
            # A longer name may be a credential in the wrong place: it is not repeated.
            faults[name if _SHOWABLE_NAME.fullmatch(name) else "?"] = "is unknown"
        elif fault := check(value):
            faults[name] = fault
    if "credential" not in body:
        faults["credential"] = "is missing"
    return faults


def _check_credential(value: object) -> str | None:
    if isinstance(value, str) and 1 <= len(value) <= MAX_CREDENTIAL_CHARS:
        return None
    return f"must be a string of 1 to {MAX_CREDENTIAL_CHARS} characters"


def _check_scopes(value: object) -> str | None:
    if (
        isinstance(value, list)
        and len(value) <= MAX_SCOPES
        and all(isinstance(item, str) and is_scope(item) for item in value)
    ):
        return None
    return f"must be a list of at most {MAX_SCOPES} scopes, each 1 to 128 characters of the RFC 6749 grammar"


def _check_ip(value: object) -> str | None:
    if isinstance(value, str) and canonical_address(value) is not None:
        return None
    return "must be an IPv4 or IPv6 address"


def _check_method(value: object) -> str | None:
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return None
    return "must be an HTTP method"


def _check_path(value: object) -> str | None:
    if isinstance(value, str) and value.startswith("/") and len(value) <= MAX_PATH_CHARS:
        return None
    return f"must be a path that starts with / and has at most {MAX_PATH_CHARS} characters"


def _check_cost(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_COST:
        return None
    return f"must be an integer from 1 to {MAX_COST}"


_FIELDS: dict[str, Callable[[object], str | None]] = {
    "credential": _check_credential,
    "scopes": _check_scopes,
    "ip": _check_ip,
    "method": _check_method,
    "path": _check_path,
    "cost": _check_cost,
}
