"""Model whether a verdict can go back to the old state over an outage of Redis, in every order of the steps.

One writer makes one change to one name. Process A is modelled in full, with a fill that is under way after its answer.
A load that begins while the own copy is in use is a refresh. Process B is modelled by a load that fills the
shared copy; it may also show the new state at any time. Only copies from *before* the change are kept. Redis has one
outage: it hangs, or it refuses writes. A single step is forced: while Redis answers, the outbox is announced within a
tick of 0.4 s, by the writer or by any process that reads it. So a process may be behind another by a lease and that
tick, without the time of an outage.

``protocol_model`` models the register and the writer's wait for acknowledgements; here the writer waits for A.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.validation.exploring import Explored, search

RULES = frozenset({
    "shared copies under a lease", "catch up before a lease", "no lapsed lease is extended",
    "row renewed before a lease", "writer waits for leases", "reads are remembered", "answers drop older copies",
    "outbox announced in time", "noted before the answer", "a fill clears its own note only",
})  # fmt: skip
SPARE = frozenset({"hint", "lease from before the outbox was read"})  # extra safety: no verdict goes back without them
KNOWN = RULES | SPARE
OUTAGES = ("hung", "refuses")
FAULTS = frozenset({"cut off", "second loader"})
TELL = 1  # cache.DRAIN_EVERY_S


@dataclass(frozen=True)
class Scenario:
    """The kind of outage, the other faults, and the rules that are left out."""

    outage: str
    faults: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    use: int = 1  # ticks: lease.USE_S

    @property
    def wait(self) -> int:
        """Ticks that the writer waits for acknowledgements: invalidation.WAIT_S."""
        return self.use + 1

    @property
    def tries(self) -> int:
        """Ticks for which the writer retries: invalidation.TRY_S."""
        return 2 * self.use + 2

    def keeps(self, rule: str) -> bool:
        """Whether the protocol has this rule."""
        assert rule in KNOWN
        return rule not in self.without


class Ping(NamedTuple):
    """A's ping in its steps ``begun`` (caught up, or under a lease), ``renewed`` and ``sent``, with the lease's age."""

    step: str
    age: int
    has_caught_up: bool


class Load(NamedTuple):
    """A's load in its steps: ``began``, ``missed`` in Redis, ``read`` the old state, ``has`` the old state to show."""

    step: str
    had_lease: bool
    is_current: bool = True  # the epoch is the same, and there was no invalidation


class Fill(NamedTuple):
    """A's fill after its answer, of the old or the new state; its token has the owner "a"."""

    is_old: bool
    is_stored: bool = False  # and A has not read the reply


class State(NamedTuple):
    """The complete state of the model. Remaining times count down; -1 and None stand for absent."""

    writer: str = "idle"  # committed, retrying, waiting, returned, pending
    waited: int = 0
    is_told: bool = False
    untold: int = 0  # ticks in which Redis answered and no process announced the change
    redis: str = "up"
    had_outage: bool = False
    copy: bool = True  # the shared one
    token: str = ""
    other: str = ""  # B's load: "token" taken, old state "read"
    own: bool = True
    lease: int = -1
    ping: Ping | None = None
    queue: str | None = ""  # Confirmation, Pong, Invalidation, Hint
    load: Load | None = None
    fill: Fill | None = None
    note: str = ""  # A uses no shared copy from before the change: of the read that it now fills, or of a "later" one
    has_shown: bool = False  # A has shown the new state
    shown: int = -1  # ticks since any process showed the new state, without those of an outage

    @property
    def is_committed(self) -> bool:
        """Whether the database has the new state."""
        return self.writer != "idle"

    @property
    def is_untold(self) -> bool:
        """Whether the outbox has a change that no process has announced."""
        return self.is_committed and not self.is_told


Moves = Iterator[tuple[str, State]]


def wrong(state: State, scenario: Scenario) -> str | None:
    """The error that a validation by A would show if it started now; None if it would show none."""
    if not _may_show_old(state, scenario):
        return None
    if state.has_shown:
        return "A goes back"
    has_answered = state.writer in {"returned", "pending"}
    if state.shown >= 0 and (has_answered or state.shown > scenario.use + TELL):
        return "A is behind another process"
    return None


def _may_show_old(state: State, scenario: Scenario) -> bool:
    if state.own and state.lease >= 0:
        return True
    if _is_hit(state, has_lease=state.lease >= 0, scenario=scenario):
        return True
    load = state.load
    return load is not None and load.step in {"read", "has"} and load.is_current and state.lease >= 0


def _is_hit(state: State, *, has_lease: bool, scenario: Scenario) -> bool:
    may_look = has_lease or not scenario.keeps("shared copies under a lease")
    return state.copy and may_look and state.redis != "hung" and not state.note


def moves(state: State, scenario: Scenario) -> Moves:
    """Each possible next step, and the state after it."""
    is_announced_first = scenario.keeps("outbox announced in time")
    if not (state.is_untold and state.redis == "up" and state.untold >= TELL and is_announced_first):
        yield "tick", _tick(state, scenario)
    yield from _write(state, scenario)
    yield from _hold_lease(state, scenario)
    yield from _load(state, scenario)
    yield from _other_process(state, scenario)
    if state.redis != "up":
        yield "the outage ends", state._replace(redis="up")
    elif not state.had_outage:
        yield f"Redis {scenario.outage}", state._replace(redis=scenario.outage, had_outage=True)
    if "cut off" in scenario.faults and state.queue is not None:
        yield "A is cut off", state._replace(queue=None, ping=None)
    if state.token:
        yield "the token expires", state._replace(token="")


def _tick(state: State, scenario: Scenario) -> State:
    ping = state.ping
    if ping is not None:
        ping = ping._replace(age=ping.age + 1) if ping.age < scenario.use else None
    return state._replace(
        waited=min(state.waited + 1, scenario.tries),
        untold=min(state.untold + (state.is_untold and state.redis == "up"), TELL),
        lease=max(state.lease - 1, -1),
        ping=ping,
        queue=state.queue if ping is not None or state.queue is None else state.queue.replace("P", ""),
        shown=min(state.shown + (state.redis == "up"), scenario.use + TELL + 1) if state.shown >= 0 else -1,
    )


def _announce(state: State) -> State:
    queue = None if state.queue is None else state.queue + "I"
    return state._replace(is_told=True, copy=False, token="", queue=queue)


def _write(state: State, scenario: Scenario) -> Moves:
    if state.writer == "idle":
        yield "W commits", state._replace(writer="committed")
    if state.is_untold and state.redis == "up":
        yield "another process announces", _announce(state)
    if state.writer in {"committed", "retrying"} and state.redis == "up":
        yield "W announces", _announce(state)._replace(writer="waiting", waited=0)
    if state.writer == "committed":
        queue = state.queue
        if queue is not None and state.redis == "refuses" and scenario.keeps("hint"):
            queue += "H"
        yield "W does not get through", state._replace(writer="retrying", waited=0, queue=queue)
    if state.writer == "retrying" and (state.waited >= scenario.tries or not scenario.keeps("writer waits for leases")):
        yield "W answers: pending", state._replace(writer="pending")
    if state.writer == "waiting" and (state.waited >= scenario.wait or (state.queue == "" and state.lease < 0)):
        yield "W answers", state._replace(writer="returned")


def _hold_lease(state: State, scenario: Scenario) -> Moves:
    ping = state.ping
    if ping is None and state.lease >= 0:
        yield "A begins to renew", state._replace(ping=Ping("begun", 0, has_caught_up=False))
    elif ping is None and not scenario.keeps("catch up before a lease"):
        yield "A begins without catching up", state._replace(ping=Ping("begun", 0, has_caught_up=True))
    elif ping is None and not (state.is_untold and state.redis != "up"):
        caught_up = _announce(state) if state.is_untold else state
        yield "A catches up", caught_up._replace(ping=Ping("begun", 0, has_caught_up=True))
    elif ping is not None and ping.step == "begun":
        if state.redis == "up" or (state.redis == "refuses" and not scenario.keeps("row renewed before a lease")):
            age = ping.age if scenario.keeps("lease from before the outbox was read") else 0
            yield "A renews its row", state._replace(ping=ping._replace(step="renewed", age=age))
    elif ping is not None and ping.step == "renewed" and state.queue is not None and state.redis != "hung":
        yield "A pings", state._replace(ping=ping._replace(step="sent"), queue=state.queue + "P")
    if state.queue is None and state.redis != "hung":
        yield "A subscribes", state._replace(queue="C")
    elif state.queue:
        yield _hear(state._replace(queue=state.queue[1:]), state.queue[0], scenario)


def _hear(state: State, message: str, scenario: Scenario) -> tuple[str, State]:
    load, ping = state.load, state.ping
    if message == "P":
        may_extend = ping is not None and (ping.has_caught_up or state.lease >= 0)
        may_extend = may_extend or not scenario.keeps("no lapsed lease is extended")
        lease = max(state.lease, scenario.use - ping.age) if may_extend and ping is not None else state.lease
        return "A reads the pong", state._replace(lease=lease, ping=None)
    dropped = state._replace(own=False, load=load and load._replace(is_current=False))
    if message == "C":
        return "A begins an epoch", dropped._replace(lease=-1)
    if message == "H":
        return "A heeds the hint", dropped._replace(note="later")
    return "A drops its copy", dropped


def _load(state: State, scenario: Scenario) -> Moves:
    load = state.load
    if state.fill is not None:
        yield from _fill(state, state.fill, scenario)
    if load is None:
        yield "A begins a load", state._replace(load=Load("began", had_lease=state.lease >= 0))
    elif load.step == "began":
        if _is_hit(state, has_lease=load.had_lease, scenario=scenario):
            yield "A finds the shared copy", state._replace(load=load._replace(step="has"))
        missed = state._replace(load=load._replace(step="missed"))  # a refresh misses an aged copy, too
        yield "A misses", missed
        if load.had_lease and state.redis == "up" and not state.token:
            yield "A misses, takes the token", missed._replace(token="A")
    elif load.step == "missed" and state.is_committed:
        yield from _show(state, load, scenario)
    elif load.step == "missed":
        yield "A reads the old state", state._replace(load=load._replace(step="read"))
    else:
        may_store = load.had_lease and load.is_current
        keeps = not may_store and not scenario.keeps("answers drop older copies") and state.own
        shows = state._replace(load=None, own=may_store or keeps)
        yield "A shows the old state", shows
        if load.step == "read" and state.token == "A" and state.fill is None:
            yield "A shows the old state, and sends its fill", shows._replace(token="a", fill=Fill(is_old=True))


def _show(state: State, load: Load, scenario: Scenario) -> Moves:
    """The steps after A has read the new state."""
    is_dropped = (load.had_lease and load.is_current) or scenario.keeps("answers drop older copies")
    shows = state._replace(load=None, own=state.own and not is_dropped, has_shown=True, shown=max(state.shown, 0))
    is_noted = scenario.keeps("reads are remembered")
    yield "A shows the new state", shows._replace(note="later" if is_noted else state.note)
    if state.token == "A" and state.fill is None:
        is_noted = is_noted and scenario.keeps("noted before the answer")
        filling = shows._replace(token="a", fill=Fill(is_old=False))
        yield "A shows the new state, and sends its fill", filling._replace(note="filling" if is_noted else state.note)


def _fill(state: State, fill: Fill, scenario: Scenario) -> Moves:
    """The steps of a fill; its reply may be late, or never come."""
    if fill.is_stored:
        is_own = not fill.is_old and state.note == "filling"
        is_cleared = is_own or not scenario.keeps("a fill clears its own note only")
        yield "A hears that its fill is stored", state._replace(fill=None, note="" if is_cleared else state.note)
    elif state.token == "a" and state.redis == "up":
        stored = state._replace(token="", copy=fill.is_old, fill=fill._replace(is_stored=True))
        yield "A's fill is stored", stored
    is_noted = state.note or (not fill.is_old and scenario.keeps("reads are remembered"))
    yield "A gives its fill up", state._replace(fill=None, note="later" if is_noted else "")


def _other_process(state: State, scenario: Scenario) -> Moves:
    if state.is_committed and state.shown < 0:
        yield "B shows the new state", state._replace(shown=0)
    if "second loader" not in scenario.faults:
        return
    if not state.other and not state.token and state.redis == "up":
        yield "B takes a token", state._replace(other="token", token="B")
    elif state.other == "token":
        yield "B reads the database", state._replace(other="" if state.is_committed else "read")
    elif state.other == "read":
        filled = state._replace(token="", copy=True) if state.token == "B" and state.redis == "up" else state
        yield "B fills, if it may", filled._replace(other="")


def explore(scenario: Scenario, *, at_most: int = 3_000_000) -> Explored:
    """Check every reachable state; raises OverflowError for more than ``at_most``."""
    return search(
        State(lease=scenario.use),
        moves=lambda state: moves(state, scenario),
        wrong=lambda state: wrong(state, scenario),
        reduce=_reduce,
        at_most=at_most,
    )


def _reduce(state: State) -> State | None:
    """The state without fields that can no longer matter; None if no copy of the old state is left."""
    fill = state.fill
    if fill is not None and not fill.is_stored and state.token != "a" and (fill.is_old or state.note):
        state = state._replace(fill=None, note=state.note and "later")  # it can no longer be stored
    if not state.is_committed:
        return state._replace(waited=0)
    other = "" if state.other == "token" else state.other
    load = state.load
    has_old_fill = state.fill is not None and state.fill.is_old and not state.fill.is_stored
    has_old_load = load is not None and load.step in {"read", "has"}
    if not (state.own or state.copy or other or has_old_fill or has_old_load):
        return None
    waited = state.waited if state.writer in {"retrying", "waiting"} else 0
    return state._replace(other=other, waited=waited)
