"""Which type of credential a text belongs to."""

import pytest

from keys.rules.secret import SecretKind, compose
from keys.validation import credential_types
from keys.validation.api_keys import ApiKeyCredential, parse_api_key
from keys.validation.credential_types import ParsedCredential, parse
from keys.validation.verdict import MALFORMED, NOT_FOUND
from oauth.access_tokens import parse_access_token

NOT_OF_KEYS = [SecretKind.API, SecretKind.CLIENT]


def text_of(kind: SecretKind) -> str:
    return compose("lk", kind, "7" * 32).text


@pytest.mark.parametrize("kind", NOT_OF_KEYS)
def test_each_type_declines_the_secrets_of_other_kinds(kind: SecretKind) -> None:
    assert parse_api_key(text_of(kind)) is None
    assert parse_access_token(text_of(kind)) is None


@pytest.mark.parametrize("kind", NOT_OF_KEYS)
def test_a_secret_that_no_type_accepts_is_unknown_and_a_mistyped_one_malformed(kind: SecretKind) -> None:
    assert parse(text_of(kind)) is NOT_FOUND
    assert parse(text_of(kind)[:-1]) is MALFORMED


def test_a_type_that_is_registered_later_gets_the_secrets_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parse(text_of(SecretKind.LIVE))
    assert isinstance(found, ApiKeyCredential)

    def parse_client_secret(text: str) -> ParsedCredential | None:
        return found if text == text_of(SecretKind.CLIENT) else None

    monkeypatch.setattr(credential_types, "_parsers", [*credential_types._parsers, parse_client_secret])
    assert parse(text_of(SecretKind.CLIENT)) is found
    assert parse(text_of(SecretKind.API)) is NOT_FOUND
