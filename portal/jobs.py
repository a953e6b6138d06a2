"""Send tasks to the Celery worker after the transaction that they depend on has committed."""

import logging
from functools import partial
from importlib import import_module

from django.db import transaction
from kombu.exceptions import OperationalError

from portal.celery import app

log = logging.getLogger(__name__)


def enqueue_after_commit(name: str, *args: str | int) -> None:
    """Send the task once the open transaction has committed. Pass ids only, never rows or secrets.

    If the broker cannot be reached, the work is only delayed: a scheduled task also finds it.
    """
    transaction.on_commit(partial(_send, name, args))


def _send(name: str, args: tuple[str | int, ...]) -> None:
    import_module(name.rpartition(".")[0])  # a process that serves only pages has not imported the tasks yet
    try:
        app.tasks[name].delay(*args)  # not send_task, which ignores eager mode
    except (OperationalError, OSError) as exc:
        log.warning("task.not_sent", extra={"task": name, "error": type(exc).__name__})
