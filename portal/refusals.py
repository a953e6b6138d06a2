"""Exceptions for refused operations; the text is for the person who asked, and nothing was changed."""


class Refused(Exception):
    """The operation is not possible in the current state."""


class Invalid(Refused):
    """A value is not allowed; ``field`` names its field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
