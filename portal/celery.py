"""The Celery app: JSON only, no results, and the full schedule of periodic tasks.

Nothing depends on a single message. Each task looks up its own work, so a lost, duplicate or late message is harmless.
"""

import logging
import os
import warnings
from typing import Any

from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from celery.signals import beat_init, celeryd_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.conf import settings  # after the module's name is known
from django.core.exceptions import ImproperlyConfigured

from portal.operations.served import require_served

MINUTE_S, HOUR_S = 60.0, 3600.0
SCHEDULE = {
    "keys.tasks.record_endings": MINUTE_S,
    "keys.tasks.write_notices": 5 * MINUTE_S,
    "keys.tasks.send_notices": MINUTE_S,
    "keys.tasks.remind_invited": HOUR_S,
    "keys.tasks.prune_usage": HOUR_S,
    "keys.tasks.prune_leftovers": HOUR_S,
    "portal.tasks.log_audit_heads": HOUR_S,
    "oauth.tasks.rotate_signing_keys": HOUR_S,
    "oauth.tasks.prune_tokens": HOUR_S,
}
if settings.REDIS_URL:
    SCHEDULE |= {"keys.tasks.flush_outbox": 1.0, "keys.tasks.fold_usage": 1.0, "portal.tasks.send_due_mails": 10.0}

MAX_WAITING = 100

log = logging.getLogger(__name__)


class PatientScheduler(Scheduler):
    """A beat scheduler without a state file that stops sending while no worker takes messages.

    After a restart, every interval starts again. The broker keeps a message until a worker takes it, even an expired
    one: a day without a worker would leave 190 MB of messages there.
    """

    _is_told = False

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Send the task unless too many messages wait."""
        try:
            waiting = producer.channel.queue_declare(queue=self.app.conf.task_default_queue).message_count
            if waiting < MAX_WAITING:
                self._is_told = False
                return super().apply_async(entry, producer, *args, **kwargs)
        except Exception:
            self._reconnect()
            raise
        if not self._is_told:  # log once until messages are taken again
            log.warning("tasks.nobody_works", extra={"waiting": waiting})
            self._is_told = True
        return None

    def _reconnect(self) -> None:
        """Use a new connection for the next message.

        After a failover, the old connection leads to a server that refuses writes.
        """
        self.connection.close()
        for name in ("producer", "connection"):
            self.__dict__.pop(name, None)


app = Celery("latchkey")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    task_publish_retry=False,  # a request does not wait for the broker; the schedule sends the task again
    task_time_limit=300,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_channel_error_retry=True,  # a broker that refuses writes, as after a failover, must not stop the worker
    timezone="UTC",
    beat_scheduler=PatientScheduler,
    # A task expires when the next one of the same kind is due: running it once is enough.
    beat_schedule={task: {"task": task, "schedule": s, "options": {"expires": s}} for task, s in SCHEDULE.items()},
)
app.autodiscover_tasks()

if settings.EMBEDDED:
    BROKER = settings.VAR_DIR / "broker"
    app.conf.broker_transport_options = {
        "data_folder_in": BROKER / "messages",
        "data_folder_out": BROKER / "messages",
        "control_folder": BROKER / "control",
    }
else:
    app.conf.broker_transport_options = {"socket_connect_timeout": 1, "socket_timeout": 5}


@celeryd_init.connect
@beat_init.connect
def refuse_to_start_alone(**_: Any) -> None:
    """Refuse to start without DATABASE_URL unless `manage.py serve` started this process.

    Otherwise a forgotten setting would go unnoticed.
    """
    try:
        require_served()
    except ImproperlyConfigured as exc:
        raise SystemExit(str(exc)) from None  # Celery would only log any other exception
    if settings.EMBEDDED:
        # In embedded mode, root is as safe as another user: a message is JSON and cannot carry code.
        warnings.filterwarnings("ignore", "You're running the worker with superuser privileges")
        for folder in ("messages", "control"):
            (BROKER / folder).mkdir(parents=True, exist_ok=True)


@setup_logging.connect
def keep_the_logging_of_the_settings(**_: Any) -> None:
    """Connect a receiver, so that Celery leaves logging, and its redaction of secrets, as the settings configure it."""
