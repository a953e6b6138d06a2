"""The rules of an organization: which change relaxes them."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from portal.permissions import Role
from portal.policies import POLICY_FIELDS, Policies

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_each_policy_is_an_editable_field() -> None:
    assert set(POLICY_FIELDS) == {policy.name for policy in fields(Policies)}


@pytest.mark.parametrize(
    ("strict", "lax"),
    [
        (Policies(max_key_lifetime_days=30), Policies(max_key_lifetime_days=31)),
        (Policies(max_key_lifetime_days=30), Policies()),
        (Policies(key_expiry_required=True), Policies()),
        (Policies(live_networks_required=True), Policies()),
        (Policies(live_keys_by=Role.OWNER), Policies(live_keys_by=Role.ADMIN)),
        (Policies(second_factor_from=NOON), Policies(second_factor_from=NOON + timedelta(days=1))),
        (Policies(second_factor_from=NOON), Policies()),
    ],
)
def test_policies_are_relaxed_in_one_direction(strict: Policies, lax: Policies) -> None:
    assert strict.relaxed_by(lax)
    assert not lax.relaxed_by(strict)
    assert not strict.relaxed_by(strict)


def test_one_relaxed_policy_is_enough() -> None:
    assert Policies(max_key_lifetime_days=30).relaxed_by(Policies(key_expiry_required=True))
