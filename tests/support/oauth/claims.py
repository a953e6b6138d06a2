"""Claims of an access token for tests."""

from oauth.protocol.access_token import Claims, StatusClaim, StatusListClaim

ISSUER = "https://keys.example.com"


def claims(*, now: int, lifetime_s: int = 900) -> Claims:
    """The claims of a token issued now."""
    return Claims(
        iss=ISSUER,
        aud="https://orders.example.com",
        sub="client_1",
        client_id="client_1",
        iat=now,
        exp=now + lifetime_s,
        jti="7Qd3aaaaaaaaaaaaaax9Kf.1.5",
        scope="orders:read",
        org="org_1",
        env="live",
        gen=1,
        status=StatusClaim(StatusListClaim(5, f"{ISSUER}/oauth/status/1")),
    )
