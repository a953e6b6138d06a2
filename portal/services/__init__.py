"""The operations on people and organizations: each one function, one durable transaction, one audit event."""
