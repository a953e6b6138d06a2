"""The question that a backend asks: a credential and a call, from a JSON object; every fault is named. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from keys.limits import is_scope
from keys.validation.shapes import Call
from portal.proxies import parse_address

MAX_CREDENTIAL_CHARS = 16_384
MAX_SCOPES = 100
MAX_COST = 1_000_000
MAX_PATH_CHARS = 8_192
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 §5.6.2
_SHOWABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}", re.ASCII)


class Question(Struct, frozen=True):
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


def read_question(body: Mapping[str, object]) -> Question:
    """The question that the object asks; raises InvalidFields."""
    faults = {name: fault for name, check in _FIELDS.items() if name in body and (fault := check(body[name]))}
    if "credential" not in body:
        faults["credential"] = "is missing"
    for name in body:
        if name not in _FIELDS:
            # A longer name may be a credential in the wrong place: it is not repeated.
            faults[name if _SHOWABLE_NAME.fullmatch(name) else "?"] = "is unknown"
    if faults:
        raise InvalidFields(faults)
    fields: Mapping[str, Any] = body  # of the types that were just checked
    call = Call(
        scopes=frozenset(fields.get("scopes", ())),
        address=parse_address(fields["ip"]) if "ip" in fields else None,
        method=fields.get("method"),
        path=fields.get("path"),
        cost=fields.get("cost", 1),
    )
    return Question(fields["credential"], call)


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
    if isinstance(value, str) and parse_address(value) is not None:
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
