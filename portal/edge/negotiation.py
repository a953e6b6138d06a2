"""What a client's headers say of the representation that it has or wants (RFC 9110 §12.5.3, §13.1.2). Pure."""

import re
from collections.abc import Iterator, Sequence

_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


def is_known(etag: str, if_none_match: Sequence[str]) -> bool:
    """Whether the client has what the tag stands for, by the header's lines; a weak tag is as good as a strong one."""
    known = {each.removeprefix("W/") for each in _items(if_none_match)}
    return not known.isdisjoint({etag.removeprefix("W/"), "*"})


def takes_gzip(accept_encoding: Sequence[str]) -> bool:
    """Whether the client wants an answer compressed, by the header's lines; one that says nothing does not."""
    weights = dict(_weighed(each.lower()) for each in _items(accept_encoding))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _items(lines: Sequence[str]) -> Iterator[str]:
    return (each.strip() for line in lines for each in line.split(","))


def _weighed(item: str) -> tuple[str, float]:
    """A coding and how much it is wanted; not at all where that cannot be read."""
    coding, _, weight = item.partition(";")
    match = _WEIGHT.fullmatch(weight.strip()) if weight else None
    return coding.strip(), float(match[1]) if match else float(not weight)
