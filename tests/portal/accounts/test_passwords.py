"""Passwords: how they are hashed, and what is asked of a new one."""

import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from portal import settings as product_settings
from portal.accounts import passwords
from portal.accounts.passwords import BoundedArgon2Hasher, PasswordsBusy, PasswordTooLong
from portal.models import User

GOOD = "correct horse battery staple"
TOO_LONG = "x" * 1025


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time anything reaches Argon2."""
    done: list[str] = []
    for name in ("hash_secret", "verify_secret"):
        original = getattr(argon2.low_level, name)

        def counted(*args: object, _name: str = name, _original: object = original, **kwargs: object) -> object:
            done.append(_name)
            return _original(*args, **kwargs)  # type: ignore[operator]

        monkeypatch.setattr(argon2.low_level, name, counted)
    verify = argon2.PasswordHasher.verify

    def counted_verify(self: argon2.PasswordHasher, *args: object, **kwargs: object) -> object:
        done.append("verify")
        return verify(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted_verify)
    return done


def test_argon2id_is_used_with_19_mib_two_passes_and_one_lane() -> None:
    hasher = BoundedArgon2Hasher()
    assert hasher.encode(GOOD, hasher.salt()).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_the_right_password_opens_and_any_other_does_not(hashes: list[str]) -> None:
    stored = make_password(GOOD)
    assert check_password(GOOD, stored)
    assert not check_password(GOOD + " ", stored)
    assert not check_password(GOOD.title(), stored)
    assert len(hashes) == 4


def test_spelling_in_unicode_makes_no_difference() -> None:
    composed = unicodedata.normalize("NFC", "café crème brûlée")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert check_password(decomposed, make_password(composed))
    assert check_password(composed, make_password(decomposed))


@pytest.mark.parametrize("password", [TOO_LONG, "é" * 513, "x" * 1_000_000])
def test_a_password_over_1024_bytes_is_never_hashed(password: str, hashes: list[str]) -> None:
    stored = make_password(GOOD)
    hashes.clear()
    assert not check_password(password, stored)
    with pytest.raises(PasswordTooLong):
        make_password(password)
    assert hashes == []


def test_1024_bytes_are_still_hashed_whole() -> None:
    stored = make_password("x" * 1024)
    assert check_password("x" * 1024, stored)
    assert not check_password("x" * 1023 + "y", stored)


def test_when_every_slot_is_taken_one_is_told_so_instead_of_waiting_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = make_password(GOOD)
    monkeypatch.setattr(BoundedArgon2Hasher, "_slots", threading.BoundedSemaphore(1))
    monkeypatch.setattr(passwords, "MAX_WAIT_S", 0.01)
    with passwords._Slot(BoundedArgon2Hasher._slots):
        with pytest.raises(PasswordsBusy):
            make_password(GOOD)
        with pytest.raises(PasswordsBusy):
            check_password(GOOD, stored)
    assert check_password(GOOD, stored)  # and the slot came back


def test_200_sign_ins_at_once_hash_no_more_than_a_core_each_and_nobody_waits_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored, everybody_is_here = make_password(GOOD), threading.Barrier(200)
    at_work, most = [], 0

    def hash_slowly(*_: object) -> bool:
        nonlocal most
        at_work.append(1)
        most = max(most, len(at_work))
        threading.Event().wait(0.02)
        at_work.pop()
        return True

    def sign_in(_: int) -> bool:
        everybody_is_here.wait(60)
        try:
            return check_password(GOOD, stored)
        except PasswordsBusy:
            return False

    monkeypatch.setattr("django.contrib.auth.hashers.Argon2PasswordHasher.verify", hash_slowly)
    monkeypatch.setattr(passwords, "MAX_WAIT_S", 0.2)
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(sign_in, range(200)))
    assert 1 <= most <= passwords.CORES  # 19 MiB each
    assert {True, False} == set(answers)  # some are in, and the rest were told to come back


def test_a_failed_hash_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedArgon2Hasher, "_slots", threading.BoundedSemaphore(1))
    for _ in range(2):
        with pytest.raises((ValueError, TypeError)):
            BoundedArgon2Hasher().verify(GOOD, "argon2$broken")
    assert check_password(GOOD, make_password(GOOD))


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("fourteen chars", "password_too_short"),
        ("é" * 600, "password_too_long"),
        ("latchkey latchkey", "password_is_service_name"),
        ("Latch-Key 2024!!!", "password_is_service_name"),
        ("ada.lovelace@example.com", "password_too_similar"),
        ("aaaaaaaaaaaaaaa1aaaaaaaa"[:14], "password_too_short"),
    ],
)
def test_a_bad_password_is_refused(password: str, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        validate_password(password, User(email="ada.lovelace@example.com"))
    assert code in [error.code for error in caught.value.error_list]


@pytest.mark.parametrize(
    "password",
    [
        "fifteen letters"[:15],
        GOOD,
        " spaces at both ends ",
        "x" * 63 + "y",
        "ÄÖÜ 🔑 пароль 密码密码密码",
        "my latchkey hangs on the door",
    ],
)
def test_length_is_all_that_is_asked(password: str) -> None:
    validate_password(password, User(email="ada@example.com"))


def test_no_other_hasher_and_no_other_backend_is_configured() -> None:
    assert product_settings.PASSWORD_HASHERS == ["portal.accounts.passwords.BoundedArgon2Hasher"]
    assert settings.AUTHENTICATION_BACKENDS == ["allauth.account.auth_backends.AuthenticationBackend"]
