"""Structured logs: one format for every logger in the process, redacted at every level."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from portal.redaction import MASK, is_sensitive, redact, redact_value

LOGGERS_OF_OTHERS = (
    "django",
    "django.server",
    "celery",
    "celery.task",
    "celery.redirected",
    "_granian",
    "granian.access",
)
# Celery's messages about a task before it runs: six lines a second while there is no work.
BEFORE_A_TASK = ("celery.beat", "celery.worker.strategy", "celery.worker.request")
OF_A_TASK = "celery.app.trace"
NOTHING = frozenset({"None", "0"})
WHOLE_REQUESTS = ("request", "socket")  # Django adds these to its records; their repr shows the query string


class QuietFailureHandler(logging.StreamHandler[Any]):
    """Write log lines; of a record that cannot be formatted, write only the place: ``logging`` would print its args."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is logging's
        """Write where the record came from, without its content."""
        kind = sys.exc_info()[0]
        sys.stderr.write(f"log record lost ({kind.__name__ if kind else 'error'}): {record.pathname}:{record.lineno}\n")


class WorkDone(logging.Filter):
    """Drop the lines of tasks that succeeded without work; a task returns how much it did."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name != OF_A_TASK or record.levelno != logging.INFO or not isinstance(record.args, dict):
            return True
        return record.args.get("return_value") not in NOTHING


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> MutableMapping[str, Any]:
    """Mask every value of the event; the last step before the event becomes text."""
    return {
        redact(str(name)): MASK if is_sensitive(name) else redact_value(value)
        for name, value in event.items()
        if name not in WHOLE_REQUESTS
    }


def configuration(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return Django's ``LOGGING``: everything goes to standard error, as JSON lines or formatted for people."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    is_quiet = level != "DEBUG"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"work done": {"()": WorkDone}},
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.StackInfoRenderer(),
                    structlog.processors.format_exc_info,
                    redact_event,
                    renderer,
                ],
            }
        },
        "handlers": {
            "stderr": {
                "()": QuietFailureHandler,
                "formatter": "structured",
                "filters": ["work done"] if is_quiet else [],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        # These loggers hand their records to the root's handler and have no handlers of their own.
        "loggers": {name: {"handlers": [], "propagate": True} for name in LOGGERS_OF_OTHERS}
        | {name: {"level": "WARNING" if is_quiet else level} for name in BEFORE_A_TASK}
        | {
            "django.db.backends": {"level": "INFO"},  # at DEBUG it logs statements with their parameters
            "django.request": {"level": "ERROR"},  # each request has its line already; an error still logs a traceback
        },
    }
