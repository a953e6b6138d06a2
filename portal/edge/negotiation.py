"""Evaluate a client's headers about representations (RFC 9110 §12.5.3, §13.1.2). Pure."""

import re
from collections.abc import Iterator, Sequence

_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


def is_known(etag: str, if_none_match: Sequence[str]) -> bool:
    """Return True if If-None-Match names the ETag. The comparison is weak: ``W/`` is ignored."""
    known = {each.removeprefix("W/") for each in _items(if_none_match)}
    return not known.isdisjoint({etag.removeprefix("W/"), "*"})


def takes_gzip(accept_encoding: Sequence[str]) -> bool:
    """Return True if Accept-Encoding allows gzip; without the header, return False."""
    weights = dict(_weighed(each.lower()) for each in _items(accept_encoding))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _items(lines: Sequence[str]) -> Iterator[str]:
    return (each.strip() for line in lines for each in line.split(","))


def _weighed(item: str) -> tuple[str, float]:
    """Return a coding and its weight; 0 if the weight cannot be parsed."""
    coding, _, weight = item.partition(";")
    match = _WEIGHT.fullmatch(weight.strip()) if weight else None
    return coding.strip(), float(match[1]) if match else float(not weight)
