"""Operations on people and organizations: each is one function, one durable transaction and one audit event."""
