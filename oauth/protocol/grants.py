"""From a token request to what is granted, or the error that says why nothing is. Pure."""

from collections.abc import Sequence
from typing import NamedTuple
from weakref import ref

from keys.rules.field_rules import MAX_SCOPES, is_scope
from keys.validation.snapshot_names import api_name
from keys.validation.types import ApiSnapshot, ClientSnapshot, GrantFacts, Snapshot
from oauth.protocol.access_token import MAX_TOKEN_CHARS, Draft, SharedClaims
from oauth.protocol.errors import InvalidRequest, InvalidScope, InvalidTarget, UnsupportedGrantType
from oauth.protocol.form_body import Form
from oauth.protocol.jti import Holder

GRANT_TYPE = "client_credentials"


class Wanted(NamedTuple):
    """What a token request asks for; without a target the client's only API is meant, without scopes all of them."""

    targets: frozenset[str]
    scopes: frozenset[str] | None


def read_request(form: Form, resources: frozenset[str] = frozenset()) -> Wanted:
    """What is asked for; ``resources`` are the form's, which may be several.

    Raises InvalidRequest, UnsupportedGrantType, or InvalidScope for what is no scope at all.
    Scopes are taken as RFC 6749 §3.3 spells them or not at all: what is normalised is read differently by somebody.
    """
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("The grant_type is missing.")
    if grant_type != GRANT_TYPE:
        raise UnsupportedGrantType("The grant_type here is client_credentials.")
    targets = resources | {form["audience"]} if "audience" in form else resources
    scope = form.get("scope")
    if scope is None:
        return Wanted(targets, None)
    scopes = scope.split(" ")
    if len(scopes) > MAX_SCOPES or not all(map(is_scope, scopes)):
        raise InvalidScope("The scope is not a list of scopes with one space between them.")
    return Wanted(targets, frozenset(scopes))


def choose_grant(wanted: Wanted, grants: Sequence[GrantFacts]) -> GrantFacts:
    """What the client may have at the API that is meant (RFC 8707 §2); raises InvalidTarget."""
    if not wanted.targets:
        if len(grants) != 1:
            raise InvalidTarget("Name the API that the token is for, as audience or as resource.")
        return grants[0]
    for grant in grants:
        if wanted.targets == {grant.identifier}:
            return grant
    raise InvalidTarget("This client may not have one token for what audience and resource name.")


def choose_scopes(wanted: Wanted, grant: GrantFacts, api: ApiSnapshot) -> tuple[str, ...]:
    """The scopes of the token, in the order of the grant; raises InvalidScope for one that is not granted.

    What the API no longer has, nobody is granted.
    """
    granted = tuple(scope for scope in grant.scopes if scope in api.scopes)
    if wanted.scopes is None:
        return granted
    if not wanted.scopes.issubset(granted):
        raise InvalidScope("A scope is unknown to the API, or this client may not have it.")
    return tuple(scope for scope in granted if scope in wanted.scopes)


class Terms(NamedTuple):
    """What a request comes to: good while client and API are these very snapshots, which it does not keep alive."""

    wanted: Wanted
    client: "ref[ClientSnapshot]"
    api: "ref[ApiSnapshot]"
    api_at: str  # the snapshot's name
    signing_algorithm: str
    scope: str
    lifetime_s: int
    holder: Holder
    draft: Draft

    def stand(self, client: ClientSnapshot, api: Snapshot | None) -> bool:
        """Whether client and API are still the same."""
        return api is not None and self.api() is api and self.client() is client


def settle(wanted: Wanted, client: ClientSnapshot, grant: GrantFacts, api: ApiSnapshot, *, issuer: str) -> Terms:
    """What the client is given; raises InvalidScope."""
    shared = SharedClaims(
        iss=issuer,
        aud=grant.identifier,
        sub=client.client_id,
        client_id=client.client_id,
        scope=" ".join(choose_scopes(wanted, grant, api)),
        org=client.organization_id,
        env=client.environment,
        gen=client.generation,
    )
    draft = Draft(shared)
    if not draft.fits():
        raise InvalidScope(f"A token with these scopes would be longer than {MAX_TOKEN_CHARS} characters; name fewer.")
    holder = Holder(client.client_id, grant.api_id, client.generation, client.organization_id)
    return Terms(
        wanted,
        ref(client),
        ref(api),
        api_name(api.api_id),
        api.signing_algorithm,
        shared.scope,
        lifetime_s(client, api),
        holder,
        draft,
    )


def lifetime_s(client: ClientSnapshot, api: ApiSnapshot) -> int:
    """How long the token lives: as the client says, else as the API does."""
    return client.token_lifetime_s or api.token_lifetime_s
