"""The ASGI application. Machine endpoints are small ASGI apps; pages are Django over WSGI, behind the guard.

An unknown machine path gets its 404 here, because Django's pages, redirects and cookies are for people.
"""

import os
import sys
from typing import Any

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

from portal.operations.served import require_served

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
require_served()
_django: Any = get_wsgi_application()  # sets Django up, which all below needs

from portal.edge import lifespan  # noqa: E402  # Django is set up first
from portal.edge.bounds import MAX_FORM_BYTES, Bounds, Sender  # noqa: E402  # Django is set up first
from portal.edge.endpoint import Answer, Request, endpoint  # noqa: E402  # Django is set up first
from portal.edge.guard import guard, leave_streams  # noqa: E402  # Django is set up first
from portal.edge.page_threads import THREADS  # noqa: E402  # Django is set up first
from portal.edge.problems import Problem, ProblemType  # noqa: E402  # Django is set up first
from portal.edge.request_body import AsgiApp, Receive, Scope, Send  # noqa: E402  # Django is set up first
from portal.http import is_machine  # noqa: E402  # Django is set up first
from portal.operations import health, metrics  # noqa: E402  # Django is set up first
from portal.operations.processes import raise_file_limit  # noqa: E402  # Django is set up first


async def _nothing_here(_request: Request) -> Answer:
    raise Problem(ProblemType.NOT_FOUND, "See the docs for the endpoints that exist.")


def _max_page_bytes(path: str) -> int:
    """Return the largest form body, in bytes, that is accepted for this page."""
    return next((size for prefix, size in settings.LARGE_FORMS.items() if path.startswith(prefix)), MAX_FORM_BYTES)


# How long a page's thread may run before the event loop gets its turn (Python's switch interval). One validation waits
# for several such turns. At Python's default of 5 ms, the slowest validations take about twice as long beside two
# exports.
SWITCH_S = 0.0005
_HOT: dict[str, AsgiApp] = {
    **{path: import_string(name) for path, name in settings.HOT_PATHS.items()},
    "/healthz": health.healthz,
    "/readyz": health.readyz,
    "/metrics": metrics.metrics,
}
_HOT_BY_PREFIX = {prefix: import_string(name) for prefix, name in settings.HOT_PREFIXES.items()}
_nobody = endpoint(_nothing_here, Bounds(Sender.ANYBODY, 0, "nothing", 1))
# a2wsgi's types for messages are narrower than ASGI's.
_mounted: Any = WSGIMiddleware(leave_streams(_django), workers=THREADS)
_pages = guard(_mounted, max_bytes=_max_page_bytes)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Route one request to a machine endpoint or to the pages."""
    if scope["type"] == "http":
        path = scope["path"]
        app = _HOT.get(path)
        if app is None:
            app = _machine(path) if is_machine(path) else _pages
        await app(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _live(receive, send)


def _machine(path: str) -> AsgiApp:
    return next((app for prefix, app in _HOT_BY_PREFIX.items() if path.startswith(prefix)), _nobody)


async def _live(receive: Receive, send: Send) -> None:
    await receive()  # lifespan.startup
    raise_file_limit()
    sys.setswitchinterval(SWITCH_S)
    lifespan.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown
    await lifespan.stop()
    await send({"type": "lifespan.shutdown.complete"})
