"""What an operation on credentials refuses, in words for the person who asked."""

from portal.refusals import Invalid, Refused

__all__ = ["AlreadyDone", "Conflict", "Invalid", "Refused"]


class Conflict(Refused):
    """Somebody else changed the credential since the caller last saw it."""


class AlreadyDone(Refused):
    """The same form was sent before; ``subject_id`` is what it made then."""

    def __init__(self, subject_id: str) -> None:
        super().__init__("This form was already sent; a secret is shown only once.")
        self.subject_id = subject_id
