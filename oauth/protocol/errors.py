"""OAuth errors, mainly of RFC 6749 §5.2 and RFC 8707 §2, each with its status and headers. Pure.

The description is for the client's developer. It is a text of ours and never repeats a part of the request.
"""

from typing import ClassVar

Headers = tuple[tuple[str, str], ...]
# RFC 6749 §5.2, RFC 7617 §2.1.
CHALLENGE: Headers = (("www-authenticate", 'Basic realm="Latchkey", charset="UTF-8"'),)


class OAuthError(Exception):
    """A request is refused with an OAuth error; ``oauth_endpoint`` turns the exception into the response."""

    error: ClassVar[str]
    status: ClassVar[int] = 400

    def __init__(self, description: str, *, headers: Headers = ()) -> None:
        super().__init__(description)
        self.description = description
        self.headers = headers


class InvalidRequest(OAuthError):
    """The request is malformed."""

    error = "invalid_request"


class InvalidClient(OAuthError):
    """Client authentication failed, or the client may not be used: the same bytes for every reason.

    Only for an assertion that the client's key signed does ``description`` name the broken rule.
    """

    error = "invalid_client"
    status = 401

    def __init__(self, description: str = "Client authentication failed.") -> None:
        super().__init__(description, headers=CHALLENGE)


class InvalidToken(OAuthError):
    """The Bearer token is not a working API secret (RFC 6750 §3.1)."""

    error = "invalid_token"
    status = 401

    def __init__(self) -> None:
        headers = (("www-authenticate", 'Bearer realm="Latchkey", error="invalid_token"'),)
        super().__init__("This is no API secret that works.", headers=headers)


class FailedTooOften(OAuthError):
    """Authentication for this client failed too often from this network. A right secret is accepted all the same."""

    error = "invalid_client"
    status = 429

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(
            "Client authentication failed, as it did often before from this address.",
            headers=(("retry-after", str(retry_after_s)),),
        )


class TooManyAtOnce(OAuthError):
    """The caller has as many requests in progress as it may have at once; other callers are not affected."""

    error = "temporarily_unavailable"
    status = 429

    def __init__(self, description: str) -> None:
        super().__init__(description, headers=(("retry-after", "1"),))


class UnauthorizedClient(OAuthError):
    """The client is authenticated, but may not be used from this network address."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """The grant type is not ``client_credentials``, the only one."""

    error = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """A scope is malformed, unknown or not granted."""

    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """The request does not select one API that is granted and in service (RFC 8707 §2)."""

    error = "invalid_target"
