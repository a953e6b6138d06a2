"""The hot path: from a presented credential to a verdict."""
