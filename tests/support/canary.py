"""Record every secret that is made during a test, and search for it in all places that must not contain secrets.

After each test these are searched: the log at DEBUG, as the product writes it; every table; the decoded sessions; the
mails; the arguments of tasks; and each command that reached Valkey.
"""

import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any

import redis
from celery.signals import before_task_publish, task_prerun
from django.conf import settings
from django.core import mail
from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, connection

from keys.rules import secret as secret_module
from keys.rules.secret import RANDOM_CHARS
from tests.support.environment import LOG_FILE, ON_SQLITE, WITHOUT_SERVERS

# A random part in base64 contains a run of this length, whatever its offset in the groups of three bytes.
ENCODED_BYTES, ENCODED_CHARS = 30, 40
_RUN_OF_BASE62 = re.compile(rf"[0-9A-Za-z]{{{RANDOM_CHARS},}}")


@dataclass
class Canary:
    """The random parts of all secrets so far, plain and in base64, and the offset up to which the log was read."""

    made: set[str] = field(default_factory=set, repr=False)
    said: list[str] = field(default_factory=list, repr=False)
    _log_offset: int = 0

    def remember(self, secret_text: str) -> None:
        """Add a secret to search for. Call it for a secret that another process made."""
        random_part = secret_text.rsplit("_", 1)[1][:RANDOM_CHARS]
        self.made.add(random_part)
        for start in range(RANDOM_CHARS - ENCODED_BYTES + 1):
            self.made.add(b64encode(random_part[start : start + ENCODED_BYTES].encode()).decode())

    def hits(self) -> list[str]:
        """The names of the places with secrets since the last call, without the secrets. An empty list is good."""
        return [place for place, text in self._places() if self.is_in(text)]

    def is_in(self, text: str) -> bool:
        """Whether the text contains the random part of any secret."""
        for match in _RUN_OF_BASE62.finditer(text):
            run = match[0]  # base64 of base62 has neither + nor /
            for width in (RANDOM_CHARS, ENCODED_CHARS):
                if any(run[i : i + width] in self.made for i in range(len(run) - width + 1)):
                    return True
        return False

    def _places(self) -> Iterator[tuple[str, str]]:
        said, self.said = self.said, []
        yield "a task's arguments or a command to Valkey", "\n".join(said)
        with LOG_FILE.open(errors="replace") as log:
            log.seek(self._log_offset)
            yield "the log", log.read()
            self._log_offset = log.tell()
        for message in getattr(mail, "outbox", []):
            yield "a mail", message.message().as_string() + message.subject + message.body
        yield from _tables()


def _tables() -> Iterator[tuple[str, str]]:
    try:
        with connection.cursor() as cursor:
            for table, rows in _rows_of_sqlite(cursor) if ON_SQLITE else _rows_of_postgresql(cursor):
                yield f"the table {table}", rows
        yield "a session", repr(_sessions())
    # The test may not use the database, left a broken transaction, or drives a browser on this thread.
    except (RuntimeError, Error, SynchronousOnlyOperation):
        return


def _rows_of_sqlite(cursor: Any) -> Iterator[tuple[str, str]]:
    for table in connection.introspection.table_names(cursor):
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  # names come from the database
        yield table, repr(cursor.fetchall())


def _rows_of_postgresql(cursor: Any) -> Iterator[tuple[str, str]]:
    cursor.execute("SET bytea_output = escape")  # so that text in bytes stays text
    cursor.execute(_all_tables())
    yield from cursor.fetchall()


@cache
def _all_tables() -> str:
    """One statement that reads all tables: one query each would be a third of the queries of the suite."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    rows = "coalesce(string_agg(rows::text, ' '), '')"
    return " UNION ALL ".join(f"SELECT '{table}', {rows} FROM {table} AS rows" for table in tables)  # noqa: S608


def _sessions() -> Any:
    from portal.accounts.sessions import SessionStore
    from portal.models import Session  # models load after the settings

    return [SessionStore().decode(session.session_data) for session in Session.objects.all()]


def watch() -> Canary:
    """Start to record secrets; called once per process."""
    canary = Canary()
    compose = secret_module.compose

    @wraps(compose)
    def remembering(brand: str, kind: secret_module.SecretKind, random_part: str) -> secret_module.SecretText:
        made = compose(brand, kind, random_part)
        canary.remember(made.text)
        return made

    secret_module.compose = remembering
    task_prerun.connect(lambda args, kwargs, **_: canary.said.append(repr((args, kwargs))), weak=False)
    before_task_publish.connect(lambda body, **_: canary.said.append(repr(body)), weak=False)
    if not (ON_SQLITE or WITHOUT_SERVERS):
        # Connected in this thread: what that imports makes loggers, and pytest walks all loggers as it starts.
        monitor = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None).monitor()  # type: ignore[no-untyped-call]
        threading.Thread(target=_listen_to_valkey, args=(canary, monitor.__enter__()), daemon=True).start()
    return canary


def _listen_to_valkey(canary: Canary, monitor: Any) -> None:
    try:
        for command in monitor.listen():
            canary.said.append(command["command"])
    except (redis.RedisError, OSError, ValueError):  # the test run is over: the connection closed during a read
        return
