"""The operations on credentials: each is one function, one durable transaction, one audit event, one invalidation.

Each operation runs in this order. Check the role. Lock organization, API, credential, secret. Read the clock: only
after the lock, because a time read while waiting would be older than the rows found. Read the names of the touched
snapshots. Write rows, audit event and outbox. Commit. Invalidate the caches. Return. A call that finds nothing to
change still invalidates the same snapshots: a revoke may be repeated because the first response was lost.
"""
