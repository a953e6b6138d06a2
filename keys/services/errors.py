"""Refusals of operations on credentials, in words for the person who asked."""

from portal.refusals import Invalid, Refused

__all__ = ["AlreadyDone", "Conflict", "Invalid", "Refused"]


class Conflict(Refused):
    """Somebody else changed the credential since the caller last read it."""


class AlreadyDone(Refused):
    """The same form was submitted before; ``subject_id`` is the id of what it created then."""

    def __init__(self, subject_id: str) -> None:
        super().__init__("This form was already sent; a secret is shown only once.")
        self.subject_id = subject_id
