"""The operations on credentials: each is one function, one durable transaction, one audit event, one invalidation.

Each operation keeps this order:

1. Check the role.
2. Lock the organization, the API, the credential, the secret.
3. Read the clock. Only after the lock: a time read before waiting for it would be older than the rows found.
4. Read the names of the touched snapshots.
5. Write the rows, the audit event and the outbox, and commit.
6. Invalidate the caches, and return.

A call that finds nothing to change still invalidates the same snapshots: a revoke may be repeated because the first
response was lost.
"""
