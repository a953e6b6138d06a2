"""A password hasher for the many passwords of a test run."""

from portal.accounts.passwords import BoundedArgon2Hasher


class QuickHasher(BoundedArgon2Hasher):
    """The product's hasher with the least cost that Argon2 allows."""

    memory_cost = 8
    time_cost = 1
