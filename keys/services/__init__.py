"""The operations on credentials: each one function, one durable transaction, one audit event, one invalidation.

Order inside each: check the role → lock (organization → API → credential → secret) → read the clock, since a waiter's
clock from before the lock would be older than what it finds → read what must be named → write
rows, audit event and outbox → commit → tell the caches → answer. A call that finds the state already as asked names
the same snapshots again: whoever repeats a revoke may do so because the first answer was lost.
"""
