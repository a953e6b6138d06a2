"""Texts in URLs: they hold no secret, and no long part of one."""

import pytest

from portal.redaction import cut_secrets

RANDOM = "7Qd3kP0sVx2Lm9TzRb4Yw8Nc6Jh1Gf5DaEx9Kf"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (f"lk_live_{RANDOM}", "lk_live_7Qd3"),
        (RANDOM, "7Qd3"),
        (RANDOM[7:], "sVx2"),
        (f"see {RANDOM[:16]}, please", "see 7Qd3, please"),
        (f"live_{RANDOM[:20]}", "live_7Qd3"),
        (f"a cs_{RANDOM[:20]}", "a cs_7Qd3"),
        ("0123456789abcdef" * 2, "0123"),
    ],
)
def test_a_long_part_of_a_secret_is_cut(text: str, cut: str) -> None:
    assert cut_secrets(text) == cut


@pytest.mark.parametrize(
    "text",
    [
        RANDOM[:15],
        f"key_{RANDOM[:22]}",
        f"cus_{RANDOM[:18]}",
        "b5HrX0T-kq3VYdPzQv8LwN1cJ2mGfS7-aE9uKiOlR4W",  # the thumbprint of a key
        "0195f0c4-7a3b-7d2e-9b1c-2f6d8e4a5b7c",
        "0123456789abcdef0123456789",
        "OrdersAndRefundsService",
        "OrdersProduction2026",
        "orders-Production-2026-Worker",
        "lk_live_7Qd3…x9Kf",
    ],
)
def test_names_ids_and_hints_are_no_secrets(text: str) -> None:
    assert cut_secrets(text) == text
