"""The bar that each figure must reach, and what the figures say of the cores to provision."""

import statistics
from typing import NamedTuple

from tests.bench import rows
from tests.bench.measure import Rounds, median, ratio, say
from tests.bench.oauth import Costs

KEPT_COPIES = 100_000
BUSY = 0.6  # of a core, so that bursts find room
PROVISIONED = (rows.MIX, rows.MANY, rows.SECOND, rows.FIRST)


class Bound(NamedTuple):
    """A figure that must not be above the bar, or below it where ``is_floor``; the goal is what to strive for."""

    name: str
    found: float
    bar: float
    unit: str
    goal: float | None = None
    is_floor: bool = False

    def reaches(self, mark: float) -> bool:
        """Return True if the figure is as good as this."""
        return self.found >= mark if self.is_floor else self.found <= mark


def conclude(found: Rounds, tokens: Costs, took_ms: list[float], weight: int) -> bool:
    """Print each bound and what was found; return True if no bar is missed."""

    def bare_ratio(name: str, row: str, bar: float, goal: float, what: str = "cpu_us") -> Bound:
        return Bound(name, ratio(found, row, rows.BARE, what), bar, "x bare", goal)

    def cheaper(name: str, row: str, bar: float) -> Bound:
        return Bound(name, ratio(found, rows.PEER, row, "all_us"), bar, "x cheaper than the peer", is_floor=True)

    four_workers = median(found[rows.FOUR], "cpu_us") / median(found[rows.WARM], "cpu_us")
    bounds = [
        bare_ratio("warm validate, CPU", rows.WARM, 1.25, 1.0),
        bare_ratio("with a limit of 1,000/s, CPU", rows.LIMITED, 1.35, 1.1),
        bare_ratio("10,000 keys in turn, CPU", rows.MANY, 1.6, 1.25),
        bare_ratio("a gateway's mix, CPU", rows.MIX, 1.7, 1.3),
        bare_ratio("a warm token, CPU", rows.TOKEN, 1.3, 1.05),
        bare_ratio("introspection, CPU", rows.INTROSPECTION, 1.4, 1.05),
        bare_ratio("from Redis, CPU", rows.SHARED, 2.3, 1.8),
        bare_ratio("from the database, CPU", rows.FIRST, 4, 3),
        Bound("a token issued, CPU", tokens.issued, 1.6, "x bare and a signature", 1.4),
        bare_ratio("warm validate, p99", rows.WARM, 1.5, 1.2, "p99_ms"),
        cheaper("a key every minute, CPU of all", rows.MANY, 6),
        cheaper("a key's first time here, CPU of all", rows.SECOND, 3),
        cheaper("a key's first time, CPU of all", rows.FIRST, 1.6),
        Bound("4 workers, as busy each, CPU", four_workers, 1.1, "x one worker"),
        Bound("a token first seen, CPU", tokens.first_seen, 1.5, "x warm and a signature checked"),
        Bound("a list of 1,048,576 tokens", tokens.list_s, 2, "s"),
        Bound(f"{KEPT_COPIES:,} own copies", weight / 1e6, 120, "MB"),
        Bound(
            f"revoke, 4 processes, of {len(took_ms)}", statistics.median(took_ms), 50, f"ms (most {max(took_ms):.0f})"
        ),
    ]
    say(f"  {'':36}{'found':>7}{'bar':>9}{'goal':>7}")
    for bound in bounds:
        bar, goal = f"{'≥' if bound.is_floor else '≤'} {bound.bar:g}", "" if bound.goal is None else f"{bound.goal:g}"
        verdict = "reached" if bound.reaches(bound.bar) else "MISSED"
        if bound.goal is not None and bound.reaches(bound.goal):
            verdict = "goal reached"
        say(f"  {bound.name:36}{bound.found:7.2f}{bar:>9}{goal:>7}  {bound.unit}: {verdict}")
    return all(bound.reaches(bound.bar) for bound in bounds)


def provision(found: Rounds) -> None:
    """Print how many cores 1,000 validations a second take, if each is busy for ``BUSY`` of the time."""
    say(f"\ncores for 1,000 validations a second, each {BUSY:.0%} busy")
    say(f"  {'':22}{'web processes':>15}{'PostgreSQL and Valkey':>25}")
    for name in PROVISIONED:
        cores, of_stores = (median(found[name], what) * 1000 / 1e6 / BUSY for what in ("cpu_us", "stores_us"))
        say(f"  {name:22}{cores:15.2f}{of_stores:25.2f}")
