"""The editable fields of an OAuth client. Pure. Services, forms, reviews and the audit trail read this table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import ne

from keys.rules.access_increase import loosens_rate_limits
from keys.rules.field_rules import RateLimit, clean_token_lifetime
from keys.rules.key_fields import METADATA, NAME, NETWORKS, NOTE, RATE_LIMITS
from oauth.protocol.jwk import PublicJwk, clean_jwks
from portal.fields import Field
from portal.metadata import parse_json


def _clean_public_keys(keys: object) -> Sequence[PublicJwk]:
    return clean_jwks(keys) if keys else []


def _parse_public_keys(text: str) -> Sequence[PublicJwk]:
    return clean_jwks(parse_json(text)) if text else []


def _spell_public_keys(keys: Sequence[PublicJwk]) -> str:
    return json.dumps({"keys": keys}, indent=2) if keys else ""


def _clean_lifetime(seconds: int | None) -> int | None:
    return None if seconds is None else clean_token_lifetime(seconds)


def _may_last_longer(before: int | None, after: int | None) -> bool:
    return before is None or after is None or after > before  # None is each API's lifetime, which may be longer


def _may_loosen_rate_limits(before: Sequence[RateLimit], after: Sequence[RateLimit]) -> bool:
    # A client without limits has those of each API, which may be higher.
    return not before or not after or loosens_rate_limits(before, after)


CLIENT_FIELDS: Mapping[str, Field] = {
    "name": NAME,
    "note": NOTE,
    "public_keys": Field(
        "Its own keys",
        clean=_clean_public_keys,
        parse=_parse_public_keys,
        spell=_spell_public_keys,
        widens=ne,  # each key lets its owner act as the client
    ),
    "token_lifetime_s": Field(
        "Token lifetime, seconds", "that of each API", clean=_clean_lifetime, widens=_may_last_longer
    ),
    "networks": NETWORKS,
    "rate_limits": replace(RATE_LIMITS, widens=_may_loosen_rate_limits),
    "metadata": METADATA,
}
