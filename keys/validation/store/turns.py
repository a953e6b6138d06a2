"""Decide whose job a shared pool of threads runs next, so that no owner starves another. Pure."""

from collections import Counter, deque
from typing import Generic, NamedTuple, TypeVar

from portal.edge.proxies import network_of

Job = TypeVar("Job")
Counted = TypeVar("Counted")


class Owner(NamedTuple):
    """The owner of a job: a group, which has one share of a pool, and a member of the group."""

    group: str
    member: str | None = None


STRANGERS = Owner("strangers")


def stranger_at(address: str | None) -> Owner:
    """Return the owner of work for a caller that has not authenticated; all strangers together have one share.

    The member is the address's network, because one client may have all the addresses of an IPv6 network.
    """
    return Owner(STRANGERS.group, network_of(address))


class Turns(Generic[Job]):
    """The jobs that wait for one of a few threads. Groups take turns, and within a group its members do.

    A member has at most ``each`` jobs, running ones included. A group has at most twice as many, and the whole pool
    four times as many. A group never occupies all of several threads.
    """

    def __init__(self, *, threads: int, each: int) -> None:
        self._idle = threads
        self._each = each
        self._each_running = max(threads - 1, 1)
        self.jobs = 0  # waiting and running
        self._by_group: Counter[str] = Counter()  # waiting and running
        self._by_member: Counter[Owner] = Counter()
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, dict[str | None, deque[Job]]] = {}  # the next group and member come first

    def add(self, owner: Owner, job: Job) -> bool:
        """Queue the job; False if the pool or the owner's share of it is full."""
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
        """Take the job to run now; None if no thread is idle, or no waiting group may run another job.

        Call ``done`` when the job has ended.
        """
        if not self._idle:
            return None
        for group, members in self._waiting.items():
            # No group gets the last thread: its slow jobs would block all other groups.
            if self._running[group] < self._each_running:
                member, jobs = next(iter(members.items()))
                owner, job = Owner(group, member), jobs.popleft()
                self._pass_on(owner)
                self._idle -= 1
                self._running[group] += 1
                return owner, job
        return None

    def done(self, owner: Owner) -> None:
        """Count a job of the owner as ended."""
        self._idle += 1
        _add(self._running, owner.group, -1)
        self._count(owner, -1)

    def withdraw(self, owner: Owner, job: Job) -> None:
        """Remove a waiting job; a running job goes on."""
        jobs = self._waiting.get(owner.group, {}).get(owner.member)
        if jobs and job in jobs:
            jobs.remove(job)
            self._count(owner, -1)
            if not jobs:
                self._pass_on(owner)

    def _pass_on(self, owner: Owner) -> None:
        """Move the group to the end of the order, and the member to the end of its group's order."""
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
    """Add, and keep no zeros: the number of strangers' addresses is unlimited."""
    counts[of] += by
    if not counts[of]:
        del counts[of]
