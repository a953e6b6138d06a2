"""Parse the client's authentication from the ``Authorization`` header and the form; exactly one method. Pure."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from oauth.protocol.assertions import claimed_subject
from oauth.protocol.errors import InvalidClient, InvalidRequest
from oauth.protocol.form_body import Form, decode

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE | re.ASCII)
_VSCHARS = re.compile(r"[\x20-\x7E]+")  # RFC 6749 App. A.1, A.2


@dataclass(frozen=True)
class ClientSecretAuth:
    """A client id and a secret (``client_secret_basic``, ``client_secret_post``)."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class DigestedSecretAuth:
    """A secret from the digest cache: it was right once, and is checked again by its digests.

    ``digests`` are the digests that it may be stored as, the one under the first pepper first. ``names`` are the
    snapshots that were needed then, the client's first. They are only prefetched, and decide nothing.
    """

    client_id: str
    digests: Sequence[bytes]
    names: Sequence[str]


@dataclass(frozen=True)
class ClientAssertionAuth:
    """A client assertion and its ``sub``, not verified (``private_key_jwt``)."""

    client_id: str
    assertion: str = field(repr=False)


ClientAuthMethod = ClientSecretAuth | DigestedSecretAuth | ClientAssertionAuth


def read_client_auth(authorization: Sequence[str], form: Form) -> ClientAuthMethod:
    """The client's authentication; ``authorization`` holds the header's lines.

    Raises InvalidRequest for several methods at once (RFC 6749 §2.3) or a ``client_id`` that contradicts the method,
    and InvalidClient for no method or one that cannot be parsed.
    """
    is_asserted = "client_assertion" in form or "client_assertion_type" in form
    if len(authorization) + ("client_secret" in form) + is_asserted > 1:
        raise InvalidRequest("Authenticate the client in one way.")
    if authorization:
        client_auth: ClientAuthMethod = _basic(authorization[0])
    elif is_asserted:
        client_auth = _assertion(form)
    else:
        client_auth = _secret(form.get("client_id", ""), form.get("client_secret", ""))
    if form.get("client_id", client_auth.client_id) != client_auth.client_id:
        raise InvalidRequest("The client_id is not that of the client that authenticates.")
    return client_auth


def _basic(line: str) -> ClientSecretAuth:
    match = _BASIC.fullmatch(line)
    if match is None:
        raise InvalidClient
    try:
        client_id, colon, secret = base64.b64decode(match[1], validate=True).partition(b":")
        # RFC 6749 §2.3.1 form-encodes both values. Ours hold no character that needs it, so either form is accepted.
        return _secret(decode(client_id), decode(secret) if colon else "")
    except ValueError:
        raise InvalidClient from None


def _secret(client_id: str, secret: str) -> ClientSecretAuth:
    if not _VSCHARS.fullmatch(client_id) or not _VSCHARS.fullmatch(secret):
        raise InvalidClient
    return ClientSecretAuth(client_id, secret)


def _assertion(form: Form) -> ClientAssertionAuth:
    assertion = form.get("client_assertion", "")
    client_id = claimed_subject(assertion)
    if form.get("client_assertion_type") != ASSERTION_TYPE or client_id is None:
        raise InvalidClient
    return ClientAssertionAuth(client_id, assertion)
