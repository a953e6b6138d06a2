"""What an operation refuses, in words for the person who asked."""


class Refused(Exception):
    """The operation makes no sense for the credential as it is; nothing was changed."""


class Invalid(Refused):
    """A value is out of bounds; ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Conflict(Refused):
    """Somebody else changed the credential since the caller last saw it."""


class AlreadyDone(Refused):
    """The same form was sent before; ``subject_id`` is what it made then."""

    def __init__(self, subject_id: str) -> None:
        super().__init__("This form was already sent; a secret is shown only once.")
        self.subject_id = subject_id
