"""What this authorization server says of itself (RFC 8414). Pure. Nothing stands here that does not work."""

import msgspec

from oauth.protocol.grants import GRANT_TYPE
from oauth.protocol.jwk import ALGORITHMS

CLIENT_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")


def document(issuer: str) -> bytes:
    """The metadata, as JSON."""
    methods, algorithms = CLIENT_METHODS, tuple(ALGORITHMS)
    return msgspec.json.encode(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth/token",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "introspection_endpoint": f"{issuer}/oauth/introspect",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "status_list_aggregation_endpoint": f"{issuer}/oauth/status",
            "grant_types_supported": [GRANT_TYPE],
            # RFC 8414 §2 asks for this member and for no empty list: we have no endpoint that gives such responses.
            "response_types_supported": ["none"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": (*methods, "Bearer"),  # an API's own secret
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        }
    )
