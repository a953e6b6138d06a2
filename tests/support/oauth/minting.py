"""Make access tokens like those of the token endpoint, without a request to it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from keys.models import Api
from keys.validation.snapshot_names import SIGNING_KEYS
from keys.validation.types import SigningKeysSnapshot
from oauth.keyring import Keyring, keyring
from oauth.loaders import load_signing_keys
from oauth.models import Client
from oauth.protocol.access_token import Claims, StatusClaim, StatusListClaim, mint
from oauth.protocol.jti import StatusIndex, new_jti
from oauth.services.status import lease_block


def ring() -> Keyring:
    """The keyring of the signing keys in the database."""
    name = SIGNING_KEYS.partition(":")[2]
    snapshot = load_signing_keys([name])[name]
    assert isinstance(snapshot, SigningKeysSnapshot)
    return keyring(snapshot)


def claims_for(
    client: Client,
    api: Api,
    *scopes: str,
    at: datetime | None = None,
    lifetime_s: int = 900,
    kid: str | None = None,
) -> Claims:
    """The claims of a token that the client would get at ``at``, with its own status index."""
    at = at or timezone.now()
    block = lease_block(client.public_id, api.public_id, generation=client.generation, count=1, now=at, kid=kid)
    status_index = StatusIndex(block.list_number, block.indexes[0])
    return Claims(
        iss=settings.PUBLIC_URL,
        aud=api.identifier,
        sub=client.public_id,
        client_id=client.public_id,
        iat=int(at.timestamp()),
        exp=int((at + timedelta(seconds=lifetime_s)).timestamp()),
        jti=new_jti(status_index),
        scope=" ".join(scopes),
        org=client.organization.public_id,
        env=client.environment,
        gen=client.generation,
        status=StatusClaim(
            StatusListClaim(status_index.idx, f"{settings.PUBLIC_URL}/oauth/status/{status_index.list_number}")
        ),
    )


def sign(claims: Claims, *, algorithm: str = "ES256") -> str:
    """A token with these claims, signed by the present key."""
    return mint(ring().signer(algorithm, now=timezone.now().timestamp()), claims)
