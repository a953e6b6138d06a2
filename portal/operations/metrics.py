"""``/metrics`` for Prometheus, protected by ``METRICS_TOKEN``; open in embedded mode, which only this machine reaches.

With several processes, ``PROMETHEUS_MULTIPROC_DIR`` names a folder that they share; any of them then reports for all.
"""

import hmac
import os
from pathlib import Path

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from portal.edge.bounds import Bounds, PlainHttp, Sender
from portal.edge.endpoint import Answer, Request, endpoint, require_get
from portal.edge.problems import Problem, ProblemType


async def _metrics(request: Request) -> Answer:
    _let_in(request)
    require_get(request)
    return Answer(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _let_in(request: Request) -> None:
    token = settings.METRICS_TOKEN
    if token is None:
        if settings.EMBEDDED:
            return
        raise Problem(ProblemType.NOT_FOUND, "There is nothing here.")
    expected = f"Bearer {token.get_secret_value()}".encode()
    presented = (request.header(b"authorization") or "").encode("latin-1")
    if not hmac.compare_digest(presented, expected):
        raise Problem(
            ProblemType.CREDENTIAL_REFUSED,
            "Send the metrics token as Authorization: Bearer.",
            headers=(("www-authenticate", "Bearer"),),
        )


def _registry() -> CollectorRegistry:
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if shared is None:
        return REGISTRY
    _forget_the_dead(Path(shared))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it so
    return registry


def _forget_the_dead(folder: Path) -> None:
    """Delete the gauges of processes that ended; otherwise they would be reported for ever."""
    for gauge in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(gauge.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            gauge.unlink(missing_ok=True)


metrics = endpoint(_metrics, Bounds(Sender.OPERATOR, 0, "token, method", 100, PlainHttp.ANYWHERE))
