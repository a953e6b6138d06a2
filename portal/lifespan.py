"""What is to be finished when a server process stops; apps register, the front door calls."""

from collections.abc import Callable

_at_stop: list[Callable[[], None]] = []


def at_stop(finish: Callable[[], None]) -> None:
    """Have this called once when the process is asked to stop, after its last answer."""
    _at_stop.append(finish)


def stop() -> None:
    """Call what was registered, the last first."""
    while _at_stop:
        _at_stop.pop()()
