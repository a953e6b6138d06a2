"""Whose job is next: nobody's flood keeps anybody else waiting for more than a turn."""

from keys.validation.store.turns import STRANGERS, Owner, Turns, stranger_at

ACME, INITECH = Owner("org_acme"), Owner("org_initech")


def run_all(turns: Turns[str]) -> list[str]:
    """The jobs in the order of their turns, each over before the next begins."""
    ran = []
    while (turn := turns.next()) is not None:
        owner, job = turn
        ran.append(job)
        turns.done(owner)
    return ran


def test_one_owner_leaves_a_thread_and_places_to_the_others() -> None:
    turns: Turns[str] = Turns(threads=4, each=10)
    assert [turns.add(ACME, f"acme {number}") for number in range(12)] == [True] * 10 + [False] * 2
    assert [turns.next() is not None for _ in range(4)] == [True, True, True, False]
    assert turns.add(INITECH, "initech")
    assert turns.next() == (INITECH, "initech")


def test_owners_take_turns() -> None:
    turns: Turns[str] = Turns(threads=1, each=10)
    for number in range(3):
        turns.add(ACME, f"acme {number}")
    turns.add(INITECH, "initech 0")
    assert run_all(turns) == ["acme 0", "initech 0", "acme 1", "acme 2"]
    assert turns.jobs == 0


def test_strangers_share_one_share_and_take_turns_within_it() -> None:
    turns: Turns[str] = Turns(threads=2, each=4)
    flood = [turns.add(stranger_at("203.0.113.1"), "flood") for _ in range(9)]
    assert flood.count(True) == 4  # one address leaves as many places to the others
    assert turns.add(stranger_at("203.0.113.2"), "newcomer")
    others = [turns.add(stranger_at(f"203.0.113.{number}"), "botnet") for number in range(3, 100)]
    assert others.count(True) == 3
    assert not turns.add(STRANGERS, "late")
    assert turns.add(ACME, "acme")
    assert run_all(turns)[:3] == ["flood", "acme", "newcomer"]


def test_the_addresses_of_one_ipv6_network_have_one_strangers_share() -> None:
    turns: Turns[str] = Turns(threads=2, each=4)
    flood = [turns.add(stranger_at(f"2001:db8::{number:x}"), "flood") for number in range(9)]
    assert flood.count(True) == 4
    assert turns.add(stranger_at("2001:db8:0:1::1"), "newcomer")


def test_all_places_taken_is_full_for_everybody() -> None:
    turns: Turns[str] = Turns(threads=1, each=1)
    assert [turns.add(Owner(f"org_{number}"), "job") for number in range(5)] == [True] * 4 + [False]


def test_a_job_that_nobody_wants_any_more_gives_its_place_back() -> None:
    turns: Turns[str] = Turns(threads=1, each=2)
    turns.add(ACME, "first")
    turns.add(ACME, "second")
    assert not turns.add(ACME, "third")
    turns.withdraw(ACME, "second")
    turns.withdraw(ACME, "no such job")
    assert turns.add(ACME, "third")
    assert run_all(turns) == ["first", "third"]
    assert turns.jobs == 0
