"""Decide whose job a shared pool of threads does next, so that nobody starves anybody else. Pure."""

from collections import Counter, deque
from typing import Generic, NamedTuple, TypeVar

from portal.edge.proxies import network_of

Job = TypeVar("Job")
Counted = TypeVar("Counted")


class Owner(NamedTuple):
    """For whom a job is done: a group that shares one share of a pool, and one of its members."""

    group: str
    member: str | None = None


STRANGERS = Owner("strangers")


def stranger_at(address: str | None) -> Owner:
    """The owner of work for callers that have proved nothing yet: all strangers together have one share.

    Their turns are by network, since one client has all the addresses of an IPv6 network.
    """
    return Owner(STRANGERS.group, network_of(address))


class Turns(Generic[Job]):
    """The jobs that wait for one of a few threads. Groups take turns, and so do the members of a group.

    A member has at most ``each`` jobs, those that run included; a group has twice as many, and there are four times as
    many in all. A group always leaves one thread to the others.
    """

    def __init__(self, *, threads: int, each: int) -> None:
        self._idle = threads
        self._each = each
        self._each_running = max(threads - 1, 1)
        self.jobs = 0  # waiting and running
        self._by_group: Counter[str] = Counter()  # the same
        self._by_member: Counter[Owner] = Counter()
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, dict[str | None, deque[Job]]] = {}  # whose turn comes next stands first

    def add(self, owner: Owner, job: Job) -> bool:
        """Have the job wait for its turn; False where the pool or the owner's share of it is full."""
        if (
            self._by_member[owner] >= self._each
            or self._by_group[owner.group] >= 2 * self._each
            or self.jobs >= 4 * self._each
        ):
            return False
        self._count(owner, 1)
        self._waiting.setdefault(owner.group, {}).setdefault(owner.member, deque()).append(job)
        return True

    def next(self) -> tuple[Owner, Job] | None:
        """The job to run now; None where no thread is idle, or nobody who waits may have one. Call ``done`` after."""
        if not self._idle:
            return None
        for group, members in self._waiting.items():
            if self._running[group] < self._each_running:
                member, jobs = next(iter(members.items()))
                owner, job = Owner(group, member), jobs.popleft()
                self._pass_on(owner)
                self._idle -= 1
                self._running[group] += 1
                return owner, job
        return None

    def done(self, owner: Owner) -> None:
        """A job of the owner has ended."""
        self._idle += 1
        _add(self._running, owner.group, -1)
        self._count(owner, -1)

    def withdraw(self, owner: Owner, job: Job) -> None:
        """Nobody wants the job any more; one that runs goes on."""
        jobs = self._waiting.get(owner.group, {}).get(owner.member)
        if jobs and job in jobs:
            jobs.remove(job)
            self._count(owner, -1)
            if not jobs:
                self._pass_on(owner)

    def _pass_on(self, owner: Owner) -> None:
        """The next turn is another's: of the groups, and within this one of its members."""
        members = self._waiting.pop(owner.group)
        jobs = members.pop(owner.member)
        if jobs:
            members[owner.member] = jobs
        if members:
            self._waiting[owner.group] = members

    def _count(self, owner: Owner, by: int) -> None:
        self.jobs += by
        _add(self._by_group, owner.group, by)
        _add(self._by_member, owner, by)


def _add(counts: Counter[Counted], of: Counted, by: int) -> None:
    """Add, and keep no zeros: there is no end of strangers' addresses."""
    counts[of] += by
    if not counts[of]:
        del counts[of]
