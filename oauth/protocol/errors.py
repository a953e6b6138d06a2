"""What OAuth clients are refused with: one class for each error of RFC 6749 §5.2 and RFC 8707 §2. Pure.

The description is for whoever writes the client: ours alone, never a word of the request.
"""

from typing import ClassVar

Headers = tuple[tuple[str, str], ...]
# RFC 6749 §5.2, RFC 7617 §2.1.
CHALLENGE: Headers = (("www-authenticate", 'Basic realm="Latchkey", charset="UTF-8"'),)


class OAuthError(Exception):
    """A request that gets an error; raised within an endpoint, answered at its rim."""

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
    """The client did not prove who it is, or may not be used: the same bytes for every reason.

    Only whoever signed with a key of the client's is told another ``description``, of what is wrong in the assertion.
    """

    error = "invalid_client"
    status = 401

    def __init__(self, description: str = "Client authentication failed.") -> None:
        super().__init__(description, headers=CHALLENGE)


class InvalidToken(OAuthError):
    """What was presented as a Bearer is no API secret that works (RFC 6750 §3.1)."""

    error = "invalid_token"
    status = 401

    def __init__(self) -> None:
        headers = (("www-authenticate", 'Bearer realm="Latchkey", error="invalid_token"'),)
        super().__init__("This is no API secret that works.", headers=headers)


class FailedTooOften(OAuthError):
    """Authentication for this client failed too often from this address. What is right is let in all the same."""

    error = "invalid_client"
    status = 429

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(
            "Client authentication failed, as it did often before from this address.",
            headers=(("retry-after", str(retry_after_s)),),
        )


class TooManyAtOnce(OAuthError):
    """The caller has as much under way as it may have at once; others are not held up."""

    error = "temporarily_unavailable"
    status = 429

    def __init__(self, description: str) -> None:
        super().__init__(description, headers=(("retry-after", "1"),))


class UnauthorizedClient(OAuthError):
    """The client is known, and may not do this from here."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """There is one grant type."""

    error = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """A scope is malformed, unknown or not granted."""

    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """No API of this client's is named."""

    error = "invalid_target"
