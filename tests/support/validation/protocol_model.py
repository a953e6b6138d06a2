"""A model of the protocol of ``keys.validation.cache.snapshots``, small enough to check every order of its steps.

One writer makes one change to one name. Process A is modelled in full: its row in the register, its pings, the queue of
its subscription, its own copy, a load, and a fill that is under way after its answer. A load that begins while the own
copy is in use is a refresh. Of process B only the parts that can affect A are modelled: a row, an
acknowledgement, a load that fills the shared copy. A state keeps only copies from *before* the change, since newer ones
do no harm. No step is ever forced: each process may stall anywhere, for ever. One tick is 0.4 s. All times are
relative, so the number of states is finite, and every state is checked.

A validation that starts after the writer has returned needs no steps in the model: ``wrong`` says which copy it would
use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.validation.exploring import Explored, search

RULES = frozenset({
    "token before read", "write deletes token", "fill only if token stands", "run of token in entry",
    "run of entry checked", "register read after publish", "register age", "register of this run",
    "row outlives connection", "row before ping", "lease from before renewal", "wait longer than lease", "epoch",
    "ack after drop", "invalidated while loading", "sharing bound to lease", "wait on repeat", "refresh is a load",
})  # fmt: skip
FAULTS = frozenset(
    {
        "second loader",
        "cut off",
        "copy evicted",
        "register evicted",
        "flushed",
        "restarted empty",
        "dumped",
        "database out",
    }
)
UNKNOWN = "?"  # the register may be incomplete: the writer waits for the full time


@dataclass(frozen=True)
class Scenario:
    """The possible faults, the rules that are left out, and durations in ticks."""

    faults: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    use: int = 2  # lease.USE_S
    row: int = 3  # lease.ROW_MS, invalidation.WAIT_S

    def __post_init__(self) -> None:
        assert self.faults <= FAULTS
        assert self.without <= RULES

    def keeps(self, rule: str) -> bool:
        """Whether the protocol has this rule."""
        assert rule in RULES
        return rule not in self.without

    @property
    def wait(self) -> int:
        """Ticks that the writer waits for acknowledgements."""
        return self.row if self.keeps("wait longer than lease") else self.use


class Load(NamedTuple):
    """A's load in its steps: ``began``, ``missed`` in Redis, ``read`` the database, ``has`` the old value.

    A copy in Redis that is too old for it is a miss. If the database then does not answer, it uses that copy after all.
    """

    step: str
    had_lease: bool
    has_token: bool = False
    found_aged: bool = False
    is_of_epoch: bool = True
    is_invalidated: bool = False
    is_trusted: bool = False  # a refresh, without the rule that it is a load


class State(NamedTuple):
    """The complete state of the model. Ages count up, remaining times down; None and -1 stand for absent."""

    writer: str = "idle"  # committed, looked (only without a rule), waiting, returned
    waited: int = 0
    live: str = ""  # the processes that have not acknowledged yet
    run: int = 0  # of the server
    copy: int | None = None  # in Redis: the run in its stamp
    token: tuple[str, int] | None = None  # in Redis: its owner, and the run in which it was taken
    row_a: int = 0
    row_b: bool = False
    born: int = 3  # age of the register, up to the limit that matters
    dump: tuple[int | None, tuple[str, int] | None] | None = None
    own: bool = False  # A's own copy
    lease: int = -1  # ticks left
    ping: tuple[str, int] | None = None  # A "renewed" its row or "sent" a ping; ticks since the lease's start
    queue: str | None = None  # of A's subscription: Confirmation, Pong, Invalidation, in order
    load: Load | None = None
    fill: bool = False  # A's, of the old value, after the answer; its token has the owner "a"
    other: str = ""  # B's load: "token" taken, old value "read"

    @property
    def is_committed(self) -> bool:
        """Whether the database has the new state."""
        return self.writer != "idle"


Moves = Iterator[tuple[str, State]]


def wrong(state: State, scenario: Scenario) -> str | None:
    """The old copy that a validation would use if it started now; None if it would use none.

    None also before the writer has returned: until then an old copy is allowed.
    """
    if state.writer != "returned":
        return None
    if _is_hit(state, scenario):
        return "the shared copy is old"
    if state.own and state.lease >= 0:
        return "A's own copy is old"
    load = state.load
    if load is not None and load.step in {"read", "has"} and not load.is_invalidated:
        may_join = not scenario.keeps("sharing bound to lease") or (load.is_of_epoch and state.lease >= 0)
        return "the load that may be joined is old" if may_join else None
    return None


def moves(state: State, scenario: Scenario) -> Moves:
    """Each possible next step of a process, the clock or a fault, and the state after it."""
    yield "tick", _tick(state, scenario)
    yield from _write(state, scenario)
    yield from _hold_lease(state, scenario)
    yield from _load(state, scenario)
    yield from _other_process(state, scenario)
    yield from _fail(state, scenario)


def _tick(state: State, scenario: Scenario) -> State:
    ping, queue = state.ping, state.queue
    if ping is not None and (ping[0] == "sent" or scenario.keeps("lease from before renewal")):
        if ping[1] < scenario.use:
            ping = (ping[0], ping[1] + 1)
        else:  # its pong could no longer extend the lease
            ping, queue = None, queue and queue.replace("P", "")
    return state._replace(
        row_a=max(state.row_a - 1, 0),
        born=min(state.born + 1, scenario.row) if state.born >= 0 else -1,
        lease=max(state.lease - 1, -1),
        ping=ping,
        queue=queue,
        waited=min(state.waited + 1, scenario.wait) if state.writer == "waiting" else state.waited,
    )


# --- invalidation.py, invalidate.lua ------------------------------------------------------------------------------


def _write(state: State, scenario: Scenario) -> Moves:
    if state.writer == "idle":
        yield "W commits", state._replace(writer="committed")
    elif state.writer == "committed" and not scenario.keeps("register read after publish"):
        yield "W reads the register", state._replace(writer="looked", live=_live(state, scenario))
    elif state.writer in {"committed", "looked"}:
        yield (
            "W deletes, publishes, reads the register",
            state._replace(
                writer="waiting",
                live=_live(state, scenario) if state.writer == "committed" else state.live,
                copy=None,
                token=None if scenario.keeps("write deletes token") else state.token,
                queue=_queued(state.queue, "I"),
            ),
        )
    elif state.writer == "waiting" and (not state.live or state.waited >= scenario.wait):
        yield "W returns", state._replace(writer="returned")
    if state.writer in {"committed", "waiting"} and not scenario.keeps("wait on repeat"):
        yield "W2 finds it done and returns", state._replace(writer="returned")


def _live(state: State, scenario: Scenario) -> str:
    is_young = state.born < (scenario.row if scenario.keeps("register age") else 0)
    rows = "A" * bool(state.row_a) + "B" * state.row_b
    return UNKNOWN if is_young or not rows else rows


def _queued(queue: str | None, message: str) -> str | None:
    return None if queue is None else queue + message


# --- lease.py, renew.lua ------------------------------------------------------------------------------------------


def _hold_lease(state: State, scenario: Scenario) -> Moves:
    renewed = state._replace(row_a=scenario.row, born=max(state.born, 0))
    if not scenario.keeps("row before ping"):
        if state.row_a < scenario.row:
            yield "A renews its row", renewed
        if state.ping is None and state.queue is not None:
            yield "A pings", state._replace(ping=("sent", 0), queue=state.queue + "P")
    elif state.ping is None:
        yield "A renews its row", renewed._replace(ping=("renewed", 0))
    elif state.ping[0] == "renewed" and state.queue is not None:
        yield "A pings", state._replace(ping=("sent", state.ping[1]), queue=state.queue + "P")
    if state.queue is None:
        yield "A subscribes", state._replace(queue="C")
    elif state.queue:
        yield _hear(state._replace(queue=state.queue[1:]), state.queue[0], scenario)


def _hear(state: State, message: str, scenario: Scenario) -> tuple[str, State]:
    load = state.load
    if message == "P":
        age = state.ping[1] if state.ping is not None else scenario.use
        return "A reads the pong", state._replace(lease=max(state.lease, scenario.use - age), ping=None)
    if message == "C":
        if not scenario.keeps("epoch"):
            return "A reads the confirmation", state
        return "A begins an epoch", state._replace(own=False, load=load and load._replace(is_of_epoch=False))
    acknowledged = state if message == "D" else state._replace(live=state.live.replace("A", ""))
    if message == "I" and not scenario.keeps("ack after drop"):
        return "A acknowledges", acknowledged._replace(queue="D" + (state.queue or ""))
    dropped = acknowledged._replace(own=False, load=load and load._replace(is_invalidated=True))
    return "A drops its copy", dropped


# --- snapshots.py, local.py, take.lua, fill.lua -------------------------------------------------------------------


def _load(state: State, scenario: Scenario) -> Moves:
    load = state.load
    if state.fill:
        yield "A's fill arrives", _filled(state, "a", scenario)._replace(fill=False)
    if load is None:
        is_trusted = state.own and not scenario.keeps("refresh is a load")
        yield "A begins a load", state._replace(load=Load("began", had_lease=state.lease >= 0, is_trusted=is_trusted))
    elif load.step == "began":
        is_hit = _is_hit(state, scenario)
        if is_hit:
            yield "A finds the shared copy", state._replace(load=load._replace(step="has"))
        missed = load._replace(step="missed", found_aged=is_hit and "database out" in scenario.faults)
        yield "A misses", _take(state, missed) if scenario.keeps("token before read") else state._replace(load=missed)
    elif load.step == "missed":
        yield "A reads the database", state._replace(load=None if state.is_committed else load._replace(step="read"))
        if load.found_aged:
            yield "A uses the aged copy in an outage", state._replace(load=load._replace(step="has", has_token=False))
    elif load.step == "read" and not load.has_token and not scenario.keeps("token before read"):
        yield "A takes a token only now", _take(state, load)
        yield "A does not fill", _answered(state, load, scenario)
    else:
        answered = _answered(state, load, scenario)
        yield "A stores its own copy, if it may, and answers", answered
        if load.has_token and not state.fill:
            is_ours = state.token is not None and state.token[0] == "A"
            token = ("a", state.token[1]) if state.token is not None and is_ours else state.token
            yield "A does so, and sends its fill", answered._replace(fill=True, token=token)


def _answered(state: State, load: Load, scenario: Scenario) -> State:
    may_store = (load.is_of_epoch and load.had_lease) or not scenario.keeps("epoch")
    may_store = may_store and not (load.is_invalidated and scenario.keeps("invalidated while loading"))
    return state._replace(load=None, own=state.own or may_store or load.is_trusted)


def _take(state: State, load: Load) -> State:
    if state.token is not None:
        return state._replace(load=load)
    return state._replace(load=load._replace(has_token=True), token=("A", state.run))


def _is_hit(state: State, scenario: Scenario) -> bool:
    return state.copy is not None and (state.copy == state.run or not scenario.keeps("run of entry checked"))


def _filled(state: State, owner: str, scenario: Scenario) -> State:
    stands = state.token is not None and state.token[0] == owner
    if not stands and scenario.keeps("fill only if token stands"):
        return state
    run = state.token[1] if state.token is not None and scenario.keeps("run of token in entry") else state.run
    return state._replace(copy=run, token=None if stands else state.token)


def _other_process(state: State, scenario: Scenario) -> Moves:
    if not state.row_b:
        yield "B renews its row", state._replace(row_b=True, born=max(state.born, 0))
    if state.writer == "waiting" and "B" in state.live:
        yield "B acknowledges", state._replace(live=state.live.replace("B", ""))
    if "second loader" not in scenario.faults:
        return
    if not state.other and state.copy is None and state.token is None:
        yield "B takes a token", state._replace(other="token", token=("B", state.run))
    elif state.other == "token":
        yield "B reads the database", state._replace(other="" if state.is_committed else "read")
    elif state.other == "read":
        yield "B fills, if it may", _filled(state, "B", scenario)._replace(other="")


# --- faults -------------------------------------------------------------------------------------------------------


def _fail(state: State, scenario: Scenario) -> Moves:
    faults = scenario.faults
    gone = state._replace(queue=None, ping=None if state.ping and state.ping[0] == "sent" else state.ping)
    if state.token is not None:
        yield "the token expires", state._replace(token=None)
    if "cut off" in faults and state.queue is not None:
        yield "A is cut off", gone if scenario.keeps("row outlives connection") else gone._replace(row_a=0)
    if "copy evicted" in faults and state.copy is not None:
        yield "the copy is evicted", state._replace(copy=None)
    if "register evicted" in faults and state.born >= 0:
        yield "the register is evicted", state._replace(row_a=0, row_b=False, born=-1)
    if "flushed" in faults:
        yield "FLUSHALL", state._replace(copy=None, token=None, row_a=0, row_b=False, born=-1)
    empty = gone._replace(run=1, copy=None, token=None, row_a=0, row_b=False, born=-1)
    if "restarted empty" in faults and state.run == 0:
        yield "Redis restarts, empty", empty
    if "dumped" in faults and state.run == 0:
        if state.dump is None:
            yield "Redis saves a dump", state._replace(dump=(state.copy, state.token))
        else:
            copy, token = state.dump
            restarted = empty._replace(copy=copy, token=token, dump=None)
            if not scenario.keeps("register of this run"):
                restarted = restarted._replace(row_b=True, born=scenario.row)
            yield "Redis restarts from the dump", restarted


# --- exploration --------------------------------------------------------------------------------------------------


def explore(scenario: Scenario, *, at_most: int = 3_000_000) -> Explored:
    """Check every reachable state; raises OverflowError for more than ``at_most``."""
    return search(
        State(born=scenario.row),
        moves=lambda state: moves(state, scenario),
        wrong=lambda state: wrong(state, scenario),
        reduce=lambda state: _reduce(state, scenario),
        at_most=at_most,
    )


def _reduce(state: State, scenario: Scenario) -> State | None:
    """The state without fields that can no longer matter; None if no old value is left, since none is read again."""
    if state.fill and scenario.keeps("fill only if token stands"):
        tokens = (state.token, None if state.dump is None else state.dump[1])
        state = state._replace(fill=any(token is not None and token[0] == "a" for token in tokens))
    if not state.is_committed:
        return state
    load, dump = state.load, state.dump
    has_old_copy = state.copy is not None or (dump is not None and dump[0] is not None)
    is_spent = load is not None and not load.found_aged and not has_old_copy
    if load is not None and is_spent and load.step in {"began", "missed"}:
        load = None
    other = "" if state.other == "token" else state.other
    if not (has_old_copy or state.own or load or other or state.fill):
        return None
    state = state._replace(load=load, other=other)
    if state.writer == "returned":
        state = state._replace(row_a=0, row_b=False, born=-1, live="", waited=0)
    return state
