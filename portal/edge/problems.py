"""Errors of the machine endpoints, in ASGI apps and Django views: RFC 9457 problems, or RFC 6749 errors for OAuth."""

from collections.abc import Mapping
from enum import Enum

import msgspec

JSON = "application/json"
CONTENT_TYPE = "application/problem+json"
OAUTH_PREFIX = "/oauth/"  # below it, errors are those of RFC 6749 §5.2


class ProblemType(Enum):
    """The kinds of error: HTTP status, stable code, and a title that never varies."""

    MALFORMED_REQUEST = (400, "malformed_request", "The request is malformed")
    QUERY_NOT_READ = (400, "query_not_read", "This endpoint reads no query string")
    AMBIGUOUS_CREDENTIALS = (400, "ambiguous_credentials", "Several credentials were presented")
    CREDENTIAL_MISSING = (401, "credential_missing", "No credential was presented")
    CREDENTIAL_REFUSED = (401, "credential_refused", "The credential was refused")
    HTTPS_REQUIRED = (403, "https_required", "This endpoint is for https only")
    FORBIDDEN = (403, "forbidden", "This is not allowed")
    NOT_FOUND = (404, "not_found", "There is nothing here")
    METHOD_NOT_ALLOWED = (405, "method_not_allowed", "This method is not allowed here")
    TOO_SLOW = (408, "request_timeout", "The request did not arrive in time")
    TOO_LARGE = (413, "request_too_large", "The request is too large")
    UNSUPPORTED_MEDIA_TYPE = (415, "unsupported_media_type", "This media type is not read here")
    INVALID_FIELDS = (422, "invalid_fields", "Fields are missing, unknown or out of bounds")
    INTERNAL_ERROR = (500, "internal_error", "Something failed on our side")
    UNAVAILABLE = (503, "unavailable", "No answer can be given now")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def code(self) -> str:
        """Return the code by which programs recognize the error."""
        return self.value[1]

    @property
    def title(self) -> str:
        """Return the title for people, the same for every occurrence."""
        return self.value[2]


class Problem(Exception):
    """An error response. Code of an endpoint raises it; the edge turns it into the response.

    ``code`` replaces the type's own code, for example with a verdict's. ``members`` are added to the body.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.code = code or kind.code
        self.headers = headers
        self.members = members or {}

    def body(self, request_id: str) -> bytes:
        """Return the problem details object (RFC 9457 §3); ``detail`` is our own text and never repeats input."""
        return msgspec.json.encode(
            {
                "type": f"urn:latchkey:problem:{self.code}",
                "title": self.kind.title,
                "status": self.kind.status,
                "detail": self.detail,
                "instance": f"urn:latchkey:request:{request_id}",
                "code": self.code,
                **self.members,
            }
        )

    def oauth_body(self) -> bytes:
        """Return the error in OAuth's format (RFC 6749 §5.2)."""
        return oauth_error(_OAUTH_ERRORS.get(self.kind, "invalid_request"), self.detail)


_OAUTH_ERRORS = {
    ProblemType.INTERNAL_ERROR: "server_error",
    ProblemType.UNAVAILABLE: "temporarily_unavailable",
}


def oauth_error(error: str, description: str) -> bytes:
    """Return an error in OAuth's format; the description is ASCII without quotes and backslashes (RFC 6749 §5.2)."""
    return msgspec.json.encode({"error": error, "error_description": description})
