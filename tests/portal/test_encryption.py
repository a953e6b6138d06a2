"""Encryption at rest."""

import pytest
from django.conf import settings

from portal.encryption import CannotDecrypt, decrypt, encrypt
from portal.env_types import VersionedKey

OLD, NEW = VersionedKey("1", b"o" * 32), VersionedKey("2", b"n" * 32)


def test_what_was_encrypted_comes_back_and_looks_different_each_time() -> None:
    first, second = encrypt(b"seed"), encrypt(b"seed")
    assert decrypt(first) == decrypt(second) == b"seed"
    assert first != second
    assert "seed" not in first


def test_the_newest_key_encrypts_and_every_key_decrypts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENCRYPTION_KEYS", (OLD,))
    before = encrypt(b"seed")
    monkeypatch.setattr(settings, "ENCRYPTION_KEYS", (NEW, OLD))
    assert encrypt(b"seed").startswith("2:")
    assert decrypt(before) == b"seed"


def test_a_retired_key_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENCRYPTION_KEYS", (OLD,))
    sealed = encrypt(b"seed")
    monkeypatch.setattr(settings, "ENCRYPTION_KEYS", (NEW,))
    with pytest.raises(CannotDecrypt, match="version '1'"):
        decrypt(sealed)


def test_a_value_cannot_be_passed_off_as_another_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = VersionedKey("2", OLD.key)  # the same key under another name: only the associated data tells them apart
    monkeypatch.setattr(settings, "ENCRYPTION_KEYS", (OLD, twin))
    with pytest.raises(CannotDecrypt):
        decrypt("2" + encrypt(b"seed")[1:])


@pytest.mark.parametrize("text", ["", "1", "1:", "1:AAAA", "1:not base64!", "seed"])
def test_anything_else_is_refused_not_returned(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENCRYPTION_KEYS", (OLD,))
    with pytest.raises(CannotDecrypt):
        decrypt(text)


@pytest.mark.parametrize("length", range(4))
def test_every_changed_character_is_noticed(length: int) -> None:
    version, _, text = encrypt(b"seed"[:length]).partition(":")
    for place, was in enumerate(text):
        for other in {"A", "B", "Q", "_", "="} - {was}:
            with pytest.raises(CannotDecrypt):
                decrypt(f"{version}:{text[:place]}{other}{text[place + 1 :]}")
