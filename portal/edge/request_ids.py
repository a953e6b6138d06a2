"""Give a request an id that joins its response, its log lines and its audit events. Pure."""

import re

from portal.ids import random_id

_TAKEN_OVER = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id(candidate: str | None) -> str:
    """Return the caller's id if it is 1 to 64 of ``[A-Za-z0-9._-]``, else a new ``req_…``."""
    if candidate is not None and _TAKEN_OVER.fullmatch(candidate):
        return candidate
    return random_id("req")
