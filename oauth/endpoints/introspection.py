"""``POST /oauth/introspect`` (RFC 7662): an API asks about tokens and keys for it, a client about its own tokens.

In every other case the response is ``{"active":false}``, whatever the reason. Introspection spends no limit and no
quota. An API asks without a caller's address, so a credential that is bound to networks is inactive for it. A client
that asks about its own token is judged by the address that it asks from.
"""

import re
import time
from collections.abc import Sequence

import msgspec

from keys.validation.api_keys import PresentedApiSecret, UnknownCaller, parse_api_secret
from keys.validation.engine import Engine, ValidationResult
from keys.validation.types import Call, Code
from oauth.access_tokens import UnverifiedTokenCredential, parse_access_token
from oauth.client_auth import ClientAuthenticator, RequestOrigin
from oauth.protocol.client_auth_methods import ClientAuthMethod, ClientSecretAuth, read_client_auth
from oauth.protocol.errors import InvalidClient, InvalidRequest, InvalidToken
from oauth.protocol.form_body import Form

INACTIVE = b'{"active":false}'
_BEARER = re.compile(r"bearer +([^ ,]+)", re.IGNORECASE | re.ASCII)


class Introspector:
    """Answers introspection requests; one instance per process."""

    def __init__(self, engine: Engine, clients: ClientAuthenticator) -> None:
        self._engine = engine
        self._clients = clients

    async def introspect(
        self, authorization: Sequence[str], form: Form, origin: RequestOrigin, *, deadline: float
    ) -> bytes:
        """The body of the response; ``authorization`` holds the header's lines. Raises OAuthError or Unavailable."""
        bearer = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        if bearer is not None and "client_secret" not in form and "client_assertion" not in form:
            try:
                return await self._for_api(parse_api_secret(bearer[1]), form, origin)
            except UnknownCaller:
                raise InvalidToken from None
        client_auth = read_client_auth(authorization, form)
        if authorization and isinstance(client_auth, ClientSecretAuth) and client_auth.client_id.startswith("api_"):
            try:
                api_secret = parse_api_secret(client_auth.secret)
                if (
                    await self._engine.authenticate_caller(api_secret, caller_address=origin.address)
                ).api_id != client_auth.client_id:
                    raise InvalidClient
                return await self._for_api(api_secret, form, origin)
            except UnknownCaller:
                raise InvalidClient from None
        return await self._for_client(client_auth, form, origin, deadline)

    async def _for_api(self, api_secret: PresentedApiSecret, form: Form, origin: RequestOrigin) -> bytes:
        """The response for the API whose secret was presented; raises UnknownCaller."""
        if "token" not in form:
            # Only an authenticated API learns that the token is missing.
            await self._engine.authenticate_caller(api_secret, caller_address=origin.address)
        call, text = Call(cost=0), token_of(form)
        return _introspection(
            await self._engine.validate(
                api_secret, text, call, caller_address=origin.address, caller_agent=origin.agent
            )
        )

    async def _for_client(
        self, client_auth: ClientAuthMethod, form: Form, origin: RequestOrigin, deadline: float
    ) -> bytes:
        """The response for a client; any token but its own is inactive."""
        who = await self._clients.authenticate(client_auth, origin, deadline=deadline)
        text = token_of(form)
        token = parse_access_token(text)
        self._clients.note(who, origin, now=time.time())
        if not isinstance(token, UnverifiedTokenCredential) or token.client_id != who.client.client_id:
            return INACTIVE
        return _introspection(await self._engine.whoami(text, Call(address=origin.address, agent=origin.agent, cost=0)))


def check_bearer(authorization: Sequence[str]) -> None:
    """Raise InvalidToken for a bearer token without the form of an API secret, before the form is read."""
    bearer = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
    if bearer is not None:
        try:
            parse_api_secret(bearer[1])
        except UnknownCaller:
            raise InvalidToken from None


def token_of(form: Form) -> str:
    """The form's ``token``; raises InvalidRequest if it is missing. ``token_type_hint`` is ignored (§2.1)."""
    token = form.get("token")
    if token is None:
        raise InvalidRequest("Send the token.")
    return token


def _introspection(result: ValidationResult) -> bytes:
    if result.code is not Code.VALID or result.principal is None:
        return INACTIVE
    return msgspec.json.encode(result.principal.introspected)
