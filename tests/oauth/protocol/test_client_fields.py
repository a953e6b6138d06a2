"""The table of a client's editable fields."""

import json
from dataclasses import fields

import pytest

from oauth.protocol import jwk
from oauth.protocol.client_fields import CLIENT_FIELDS
from oauth.services.clients import ClientSettings

OLD, NEW = (jwk.generate("ES256").public for _ in range(2))
LIMIT = {"name": "default", "limit": 100, "window_s": 60}


def test_each_setting_of_a_client_is_an_editable_field() -> None:
    assert set(CLIENT_FIELDS) == {setting.name for setting in fields(ClientSettings)}


def test_public_keys_are_read_as_they_are_spelled() -> None:
    field = CLIENT_FIELDS["public_keys"]
    assert field.parse(field.spell([OLD, NEW])) == [OLD, NEW]
    assert (field.spell([]), field.parse("")) == ("", [])


@pytest.mark.parametrize("typed", ["[]", "{}", "null", json.dumps({"keys": []})])
def test_a_typed_key_set_holds_a_key(typed: str) -> None:
    with pytest.raises(ValueError, match="Give a JWK Set"):
        CLIENT_FIELDS["public_keys"].parse(typed)


@pytest.mark.parametrize(
    ("name", "before", "after", "widens"),
    [
        ("public_keys", [OLD], [NEW], True),
        ("public_keys", [OLD, NEW], [NEW], True),
        ("token_lifetime_s", 600, 601, True),
        ("token_lifetime_s", 600, 599, False),
        ("token_lifetime_s", None, 60, True),
        ("token_lifetime_s", 60, None, True),
        ("networks", ["203.0.113.0/24"], [], True),
        ("networks", [], ["203.0.113.0/24"], False),
        ("rate_limits", [], [LIMIT], True),
        ("rate_limits", [LIMIT], [], True),
        ("rate_limits", [LIMIT], [{**LIMIT, "limit": 101}], True),
        ("rate_limits", [LIMIT], [{**LIMIT, "limit": 99}], False),
        ("metadata", {}, {"plan": "gold"}, False),
        ("note", "", "Vault", False),
    ],
)
def test_a_change_widens_access_if_the_client_may_do_more(
    name: str, before: object, after: object, widens: bool
) -> None:
    assert CLIENT_FIELDS[name].widens(before, after) is widens
