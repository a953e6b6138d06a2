"""The HTTP edge of the engine: ``POST /v1/validate`` for backends, ``GET /v1/whoami`` for holders of a credential.

Checks run in this order: https, the caller, the request's form, the verdict. A credential is read from the body or from
a header, never from the URL. No response, error or log contains one.
"""

import re

from keys.validation import wiring
from keys.validation.api_keys import PresentedApiSecret, UnknownCaller, parse_api_secret
from keys.validation.request import InvalidFields, ValidateRequest, fast_parse, strict_parse
from keys.validation.response import encode
from keys.validation.store.database import Unavailable
from keys.validation.strict_json import NotAnObject
from keys.validation.types import Call, Code
from portal.edge.bounds import Bounds, Sender
from portal.edge.endpoint import Answer, Request, endpoint, unavailable
from portal.edge.problems import JSON, Problem, ProblemType

_BEARER = re.compile(r"bearer +([^ ,]+)", re.IGNORECASE | re.ASCII)
_CHALLENGE = (("www-authenticate", "Bearer"),)
_CHALLENGE_INVALID = (("www-authenticate", 'Bearer error="invalid_token"'),)
# The ``detail`` shown to the holder of a refused credential.
_REASONS = {
    Code.MALFORMED: "This has not the form of a credential: a character is missing or mistyped.",
    Code.NOT_FOUND: "This credential is unknown here.",
}


async def _validate(request: Request) -> Answer:
    try:
        caller = _caller(request)  # the format is checked before anything is read from a store
        try:
            wanted = await _read_request(request, caller)
        except Problem:
            # Only an authenticated caller learns what is wrong with its request.
            await wiring.hot_path().engine.authenticate_caller(caller, caller_address=request.client_address)
            raise
        result = await wiring.hot_path().engine.validate(
            caller,
            wanted.credential,
            wanted.call,
            caller_address=request.client_address,
            caller_agent=request.agent,
        )
    except UnknownCaller:
        raise Problem(
            ProblemType.CREDENTIAL_REFUSED, "This is no API secret that works.", headers=_CHALLENGE_INVALID
        ) from None
    except Unavailable:
        raise unavailable() from None
    return Answer(encode(result, request.request_id))


async def _whoami(request: Request) -> Answer:
    credential = _own_credential(request)
    call = Call(address=request.client_address, cost=0, agent=request.agent)  # a cost of 0 spends nothing
    try:
        result = await wiring.hot_path().engine.whoami(credential, call)
    except Unavailable:
        raise unavailable() from None
    if result.code is not Code.VALID:
        detail = _REASONS.get(result.code, "This credential does not work now.")
        raise Problem(ProblemType.CREDENTIAL_REFUSED, detail, code=result.code.value, headers=_CHALLENGE_INVALID)
    if request.method not in {"GET", "HEAD"}:
        raise _wrong_method("GET, HEAD")
    return Answer(encode(result, request.request_id))


def _caller(request: Request) -> PresentedApiSecret:
    """Return the well-formed API secret of the request; raises Problem or UnknownCaller."""
    lines = request.headers(b"authorization")
    if not lines:
        raise Problem(
            ProblemType.CREDENTIAL_MISSING, "Send the API secret as Authorization: Bearer.", headers=_CHALLENGE
        )
    scheme, _, text = lines[0].partition(" ")
    if len(lines) != 1 or scheme.lower() != "bearer":
        raise UnknownCaller
    return parse_api_secret(text.strip(" "))


def _own_credential(request: Request) -> str:
    bearers = [line for line in request.headers(b"authorization") if line[:6].lower() == "bearer"]
    matches = [_BEARER.fullmatch(line) for line in bearers]
    presented = {match[1] if match else line for match, line in zip(matches, bearers, strict=True)}
    for name in (b"x-api-key", b"api-key"):
        presented.update(request.headers(name))
    if not presented:
        raise Problem(
            ProblemType.CREDENTIAL_MISSING,
            "Send the credential as Authorization: Bearer, X-API-Key or API-Key.",
            headers=_CHALLENGE,
        )
    # A comma means that a proxy may have joined two header lines into one (RFC 9110 §5.3).
    if len(presented) > 1 or any("," in text for text in presented):
        raise Problem(ProblemType.AMBIGUOUS_CREDENTIALS, "Send one credential, in one header.")
    return presented.pop()


async def _read_request(request: Request, caller: PresentedApiSecret) -> ValidateRequest:
    if request.method != "POST":
        raise _wrong_method("POST")
    if request.query:
        raise Problem(ProblemType.QUERY_NOT_READ, "Send everything in the JSON body, credentials above all.")
    if not request.is_of(JSON):
        raise Problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, "Send application/json in UTF-8, not compressed.")
    body = await request.body()
    parsed = fast_parse(body)
    if parsed is not None:
        return parsed
    # The strict parse costs more than an unauthenticated caller is given, so authenticate the caller first.
    await wiring.hot_path().engine.authenticate_caller(caller, caller_address=request.client_address)
    try:
        return strict_parse(body)
    except NotAnObject as exc:
        raise Problem(ProblemType.MALFORMED_REQUEST, str(exc)) from None
    except InvalidFields as exc:
        faults = [{"field": name, "detail": fault} for name, fault in exc.faults.items()]
        raise Problem(ProblemType.INVALID_FIELDS, "See errors, by field.", members={"errors": faults}) from None


def _wrong_method(allow: str) -> Problem:
    return Problem(ProblemType.METHOD_NOT_ALLOWED, f"Use {allow}.", headers=(("allow", allow),))


validate = endpoint(_validate, Bounds(Sender.API, 64 * 1024, "API secret's form, method, media type", 2))
whoami = endpoint(_whoami, Bounds(Sender.CREDENTIAL, 0, "credential's form", 2))
