"""Decide a token request: the API, scopes and lifetime that are granted, or the error. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from keys.rules.field_rules import MAX_SCOPES, is_scope
from keys.validation.snapshot_names import api_name
from keys.validation.types import ApiSnapshot, ClientSnapshot, GrantFacts
from oauth.protocol.access_token import MAX_TOKEN_CHARS, PayloadTemplate, SharedClaims
from oauth.protocol.errors import InvalidRequest, InvalidScope, InvalidTarget, UnsupportedGrantType
from oauth.protocol.form_body import Form
from oauth.protocol.jti import BlockOwner

GRANT_TYPE = "client_credentials"


class GrantRequest(NamedTuple):
    """The APIs and scopes that a token request names.

    No target stands for the client's only API. ``scopes`` None stands for all scopes that are granted there.
    """

    targets: frozenset[str]
    scopes: frozenset[str] | None


def read_request(form: Form, resources: frozenset[str] = frozenset()) -> GrantRequest:
    """Parse the parameters of a token request; ``resources`` are the values of the form's ``resource``.

    Raises InvalidRequest, UnsupportedGrantType, or InvalidScope for malformed scopes. Scopes have to be spelled as in
    RFC 6749 §3.3 and are not normalised: another parser could normalise them in another way.
    """
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("The grant_type is missing.")
    if grant_type != GRANT_TYPE:
        raise UnsupportedGrantType("The grant_type here is client_credentials.")
    targets = resources | {form["audience"]} if "audience" in form else resources
    scope = form.get("scope")
    if scope is None:
        return GrantRequest(targets, None)
    scopes = scope.split(" ")
    if len(scopes) > MAX_SCOPES or not all(map(is_scope, scopes)):
        raise InvalidScope("The scope is not a list of scopes with one space between them.")
    return GrantRequest(targets, frozenset(scopes))


def choose_grant(request: GrantRequest, grants: Sequence[GrantFacts]) -> GrantFacts:
    """The client's grant at the requested API (RFC 8707 §2); raises InvalidTarget."""
    if not request.targets:
        if len(grants) != 1:
            raise InvalidTarget("Name the API that the token is for, as audience or as resource.")
        return grants[0]
    for grant in grants:
        if request.targets == {grant.identifier}:
            return grant
    raise InvalidTarget("This client may not have one token for what audience and resource name.")


def choose_scopes(request: GrantRequest, grant: GrantFacts, api: ApiSnapshot) -> tuple[str, ...]:
    """The scopes of the token, in the order of the grant; raises InvalidScope for a scope that is not granted.

    A scope that the API no longer has is not granted.
    """
    granted = tuple(scope for scope in grant.scopes if scope in api.scopes)
    if request.scopes is None:
        return granted
    if not request.scopes.issubset(granted):
        raise InvalidScope("A scope is unknown to the API, or this client may not have it.")
    return tuple(scope for scope in granted if scope in request.scopes)


class GrantDecision(NamedTuple):
    """The decision on a token request."""

    api_at: str  # the name of the API's snapshot
    signing_algorithm: str
    scope: str
    lifetime_s: int
    block_owner: BlockOwner
    payload_template: PayloadTemplate


def decide_grant(
    request: GrantRequest, client: ClientSnapshot, grant: GrantFacts, api: ApiSnapshot, *, issuer: str
) -> GrantDecision:
    """Decide the scopes, lifetime and claims of the token; raises InvalidScope."""
    shared = SharedClaims(
        iss=issuer,
        aud=grant.identifier,
        sub=client.client_id,
        client_id=client.client_id,
        scope=" ".join(choose_scopes(request, grant, api)),
        org=client.organization_id,
        env=client.environment,
        gen=client.generation,
    )
    payload_template = PayloadTemplate(shared)
    if not payload_template.fits():
        raise InvalidScope(f"A token with these scopes would be longer than {MAX_TOKEN_CHARS} characters; name fewer.")
    block_owner = BlockOwner(client.client_id, grant.api_id, client.generation, client.organization_id)
    return GrantDecision(
        api_name(api.api_id),
        api.signing_algorithm,
        shared.scope,
        lifetime_s(client, api),
        block_owner,
        payload_template,
    )


def lifetime_s(client: ClientSnapshot, api: ApiSnapshot) -> int:
    """The token's lifetime in seconds: the client's setting, else the API's."""
    return client.token_lifetime_s or api.token_lifetime_s
