"""Scopes as people choose them."""

from collections import UserDict, UserList

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("deploy", []),
        ("orders", [Level.NONE, Level.READ, Level.WRITE]),
        ("refunds", [Level.NONE, Level.WRITE]),
    ]
    boxes = [(box.scope.name, box.label, box.is_chosen) for group in found.groups for box in group.boxes]
    assert boxes == [("deploy", "deploy", True)]


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["orders:read", "orders:delete"], [("orders", 2, ["delete"])]),
        (["jobs:start", "jobs:stop"], [("jobs", 0, ["start", "stop"])]),
        (["jobs:start"], [("jobs:start", 0, ["start"])]),
        (["a", "a:", "a:read"], [("a", 2, ["a", "a:"])]),
        ([":read", "shop:orders:read"], [(":read", 0, [":read"]), ("shop:orders", 2, [])]),
    ],
)
def test_a_scope_stands_with_its_resource(names: list[str], groups: list[tuple[str, int, list[str]]]) -> None:
    found = picker([ScopeInfo(name) for name in names], ()).groups
    assert [(each.resource, len(each.options), [box.label for box in each.boxes]) for each in found] == groups


@given(st.sets(st.text("ab:", min_size=1, max_size=4) | st.sampled_from(["a:read", "a:write", "b:write"])), st.data())
def test_no_scope_is_lost_between_the_choices_and_what_is_sent(names: set[str], data: st.DataObject) -> None:
    scopes = [ScopeInfo(name) for name in sorted(names)]
    chosen = data.draw(st.sets(st.sampled_from(sorted(names)))) if names else set()
    groups = picker(scopes, chosen).groups
    sent = {group.field: option.level for group in groups for option in group.options if option.is_chosen}
    ticked = [box.scope.name for group in groups for box in group.boxes if box.is_chosen]
    assert chosen_scopes(scopes, sent, ticked) == sorted(chosen)
    assert any(group.is_chosen for group in groups) == bool(chosen)


def test_of_many_groups_the_chosen_ones_come_first_and_the_others_are_folded() -> None:
    few = picker([ScopeInfo(f"r{n:02}:read") for n in range(11)], ["r05:read"])
    assert (few.is_long, len(few.shown), few.folded) == (False, 11, [])
    many = picker([ScopeInfo(f"r{n:02}:read") for n in range(12)], ["r05:read", "r07:read"])
    assert [group.resource for group in many.shown] == ["r05", "r07"]
    assert (many.is_long, len(many.folded)) == (True, 10)


def test_many_chosen_groups_are_folded_with_the_others_and_counted() -> None:
    scopes = [ScopeInfo(f"r{n:02}:read") for n in range(20)]
    many = picker(scopes, [scope.name for scope in scopes[:12]])
    assert (many.shown, len(many.folded), len(many.chosen)) == ([], 20, 12)


def test_a_group_is_described_by_its_levels() -> None:
    orders, refunds = (picker(SCOPES, ()).groups[number] for number in (1, 2))
    assert (orders.hint, orders.is_sensitive) == ("Read orders · Change orders", False)
    assert (refunds.hint, refunds.is_sensitive) == ("Refund orders", True)


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
    assert Level.WRITE_ONLY in [option.level for option in picker(SCOPES, ["orders:write"]).groups[1].options]
    assert Level.WRITE_ONLY not in [option.level for option in picker(SCOPES, []).groups[1].options]


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


def test_of_a_sent_form_only_the_fields_of_the_picker_are_read_once_for_each_scope() -> None:
    asked: list[str] = []

    class Sent(UserDict[str, str]):
        def __getitem__(self, name: str) -> str:
            asked.append(name)
            return super().__getitem__(name)

    scopes = [ScopeInfo(f"r{number}:read") for number in range(500)]
    sent = Sent({f"access:r{number}": "read" for number in range(10_000)})
    assert chosen_scopes(scopes, sent, []) == sorted(scope.name for scope in scopes)
    assert len(asked) == 500


def test_chosen_scopes_are_not_searched_for_each_scope() -> None:
    class Names(UserList[str]):
        def __contains__(self, _name: object) -> bool:
            raise AssertionError("this list may be long")

    names = [f"r{number}:read" for number in range(3)]
    assert all(group.is_chosen for group in picker([ScopeInfo(name) for name in names], Names(names)).groups)
