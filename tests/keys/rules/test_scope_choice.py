"""Scopes as people choose them."""

import pytest

from keys.rules.scope_choice import Level, ScopeInfo, chosen_scopes, picker, readable

SCOPES = [
    ScopeInfo("deploy", "Start deployments", is_sensitive=True),
    ScopeInfo("orders:read", "Read orders"),
    ScopeInfo("orders:write", "Change orders"),
    ScopeInfo("refunds:write", "Refund orders", is_sensitive=True),
]


def levels(*chosen: str) -> dict[str, Level]:
    groups = picker(SCOPES, chosen).groups
    return {group.resource: option.level for group in groups for option in group.options if option.is_chosen}


def test_read_and_write_of_a_resource_are_one_choice_and_the_rest_are_boxes() -> None:
    found = picker(SCOPES, ["deploy"])
    assert [(group.resource, [option.level for option in group.options]) for group in found.groups] == [
        ("orders", [Level.NONE, Level.READ, Level.WRITE]),
        ("refunds", [Level.NONE, Level.WRITE]),
    ]
    assert [(box.scope.name, box.is_chosen) for box in found.boxes] == [("deploy", True)]


@pytest.mark.parametrize(
    ("chosen", "level"),
    [
        ([], Level.NONE),
        (["orders:read"], Level.READ),
        (["orders:read", "orders:write"], Level.WRITE),
        (["orders:write"], Level.WRITE_ONLY),
    ],
)
def test_what_is_chosen_is_shown_as_the_level_that_gives_just_that(chosen: list[str], level: Level) -> None:
    assert levels(*chosen)["orders"] is level
    assert chosen_scopes(SCOPES, {"access:orders": level}, []) == chosen


def test_a_key_that_only_writes_is_not_widened_by_being_shown() -> None:
    assert Level.WRITE_ONLY in [option.level for option in picker(SCOPES, ["orders:write"]).groups[0].options]
    assert Level.WRITE_ONLY not in [option.level for option in picker(SCOPES, []).groups[0].options]


def test_a_level_nobody_offered_gives_nothing() -> None:
    assert chosen_scopes(SCOPES, {"access:orders": "everything", "access:gone": "write"}, []) == []


def test_ticked_scopes_go_on_to_the_service_as_they_were_sent() -> None:
    assert chosen_scopes(SCOPES, {"access:refunds": "write"}, ["deploy", "unknown"]) == [
        "deploy",
        "refunds:write",
        "unknown",
    ]


def test_read_only_means_every_scope_that_reads() -> None:
    assert readable(SCOPES) == ["orders:read"]
