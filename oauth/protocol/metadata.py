"""The authorization server's metadata (RFC 8414), with only the features that work. Pure."""

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
            # RFC 8414 §2 requires this member, and it must not be empty. We have no authorization endpoint: "none".
            "response_types_supported": ["none"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": (*methods, "Bearer"),  # Bearer: an API secret
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        }
    )
