"""The table of a key's editable fields."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from keys.rules.key_fields import KEY_FIELDS
from keys.services.keys import KeySettings
from portal.fields import Rows

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMIT = {"name": "default", "limit": 100, "window_s": 60}


def test_each_setting_of_a_key_is_an_editable_field() -> None:
    assert set(KEY_FIELDS) == {setting.name for setting in fields(KeySettings)}


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("networks", "203.0.113.0/24\n2001:db8::/32", ["203.0.113.0/24", "2001:db8::/32"]),
        ("networks", "", []),
        (
            "rate_limits",
            Rows([("100", "60", ""), ("5", "86400", "daily")]),
            [LIMIT, {"name": "daily", "limit": 5, "window_s": 86400}],
        ),
        ("rate_limits", Rows([]), []),
        ("quota", Rows([("10", "day")]), {"limit": 10, "refill": "day"}),
        ("quota", Rows([]), None),
        ("metadata", Rows([("team", "billing")], '{\n  "seats": 3\n}'), {"team": "billing", "seats": 3}),
        ("metadata", Rows([]), {}),
        ("note", "Vault, path billing/worker", "Vault, path billing/worker"),
        ("note", "", ""),
    ],
)
def test_a_typed_value_is_read_as_it_is_spelled(name: str, typed: str | Rows, value: object) -> None:
    field = KEY_FIELDS[name]
    assert field.parse(typed) == value
    assert field.spell(value) == typed
    assert field.clean(value) == value


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("networks", "abc"),
        ("rate_limits", Rows([("0", "60", "")])),
        ("quota", Rows([("0", "none")])),
        ("metadata", Rows(text="[]")),
        ("note", "a\u202eb"),
    ],
)
def test_a_typed_value_is_checked(name: str, typed: str | Rows) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        KEY_FIELDS[name].parse(typed)


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("scopes", [], ["orders:read"]),
        ("networks", ["203.0.113.0/24"], []),
        ("rate_limits", [LIMIT], []),
        ("quota", {"limit": 10, "refill": "none"}, None),
        ("not_before", NOON, None),
        ("expires_at", NOON, None),
    ],
)
def test_a_field_that_restricts_widens_access_in_one_direction(name: str, less: object, more: object) -> None:
    assert KEY_FIELDS[name].widens(less, more)
    assert not KEY_FIELDS[name].widens(more, less)


@pytest.mark.parametrize(
    ("name", "before", "after"), [("name", "a", "b"), ("note", "", "b"), ("metadata", {}, {"a": 1})]
)
def test_what_a_key_is_called_and_noted_for_widens_nothing(name: str, before: object, after: object) -> None:
    assert not KEY_FIELDS[name].widens(before, after)
