"""What an operation refuses, in words for the person who asked. Nothing was changed."""


class Refused(Exception):
    """The operation makes no sense for things as they are."""


class Invalid(Refused):
    """A value is out of bounds; ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
