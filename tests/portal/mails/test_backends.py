"""How mail leaves."""

import io
import logging
import os
import threading
from collections.abc import Iterator, Sequence

import pytest
from django.conf import settings
from django.core import mail as django_mail
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from portal.mails import backends
from portal.mails.backends import BackgroundBackend, BoxBackend

LETTER = EmailMessage("Your code", "The code is\n424242\n", None, ["ada@example.com"])


class Slow(BaseEmailBackend):
    """A mail server that answers when it is told to, and remembers which thread asked."""

    go = threading.Event()
    done = threading.Event()
    threads: list[str] = []  # noqa: RUF012  # emptied by the fixture

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Wait, then send."""
        assert Slow.go.wait(10)
        Slow.threads.append(threading.current_thread().name)
        Slow.done.set()
        return len(email_messages)


class Broken(BaseEmailBackend):
    """A mail server that refuses, and quotes the recipient when it does."""

    done = threading.Event()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Fail."""
        Broken.done.set()
        raise OSError(f"refused: {email_messages[0].to} {email_messages[0].body}")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    Slow.go.clear()
    Slow.done.clear()
    Broken.done.clear()
    Slow.threads.clear()
    yield
    Slow.go.set()


def test_a_request_does_not_wait_for_the_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MAIL_BACKEND", f"{__name__}.Slow")
    assert BackgroundBackend().send_messages([LETTER]) == 1
    assert not Slow.done.is_set()  # we are back, and it has not answered
    Slow.go.set()
    assert Slow.done.wait(10)
    assert Slow.threads[0].startswith("mail")


def test_a_mail_server_that_fails_changes_nothing_and_is_logged_without_contents(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "MAIL_BACKEND", f"{__name__}.Broken")
    with caplog.at_level(logging.DEBUG):
        assert BackgroundBackend().send_messages([LETTER]) == 1
        assert Broken.done.wait(10)
        both_idle = threading.Barrier(backends.THREADS)  # the thread that failed has logged it, too
        jobs = [backends._pool(os.getpid()).submit(both_idle.wait, 10) for _ in range(backends.THREADS)]
        assert all(job.result(10) is not None for job in jobs)
    record = next(record for record in caplog.records if record.name == "portal.mails.backends")
    assert record.getMessage() == "mail.failed"
    assert record.__dict__["error"] == "OSError"
    assert "ada@example.com" not in caplog.text
    assert "424242" not in caplog.text


def test_mail_waits_only_up_to_a_bound(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(backends, "_waiting", threading.BoundedSemaphore(1))
    monkeypatch.setattr(settings, "MAIL_BACKEND", f"{__name__}.Slow")
    assert BackgroundBackend().send_messages([LETTER]) == 1
    assert BackgroundBackend().send_messages([LETTER]) == 0
    assert "mail.dropped" in caplog.text
    Slow.go.set()
    assert Slow.done.wait(10)


def test_the_box_shows_to_whom_what_and_the_code() -> None:
    stream = io.StringIO()
    assert BoxBackend(stream=stream).send_messages([LETTER]) == 1
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("+- mail ---")
    assert "| To:      ada@example.com" in lines
    assert "| Subject: Your code" in lines
    assert "| 424242" in lines
    assert lines[-1] == "+" + "-" * 77


def test_the_box_keeps_control_characters_from_the_terminal() -> None:
    stream = io.StringIO()
    BoxBackend(stream=stream).send_messages([EmailMessage("Hi \x1b[2J", "a\x07b\u202ec", None, ["ada@example.com"])])
    assert not {"\x1b", "\x07", "\u202e"} & set(stream.getvalue())


def test_the_box_prints_where_the_terminal_knows_only_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    BoxBackend(stream=stream).send_messages([EmailMessage("Schlüssel", "café", None, ["ada@example.com"])])
    assert b"Schl?ssel" in raw.getvalue()


@pytest.mark.usefixtures("settings")
def test_the_suite_keeps_mail_in_memory() -> None:
    assert django_mail.get_connection().__class__.__module__ == "django.core.mail.backends.locmem"
