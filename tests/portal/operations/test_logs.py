"""Logs: one shape for all, and nothing secret in any, at any level."""

import io
import json
import logging
import logging.config
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog
from django.test import Client

from keys.rules.secret import SecretKind, compose
from portal.operations import logs
from portal.redaction import MASK, redact

RANDOM_PART = "Zk3vQ9sXb1LtY7cNdR5wHgUe0PjM8aFo"  # fixed, so that every worker collects the same tests
SECRET = compose("lk", SecretKind.LIVE, RANDOM_PART).text
JWT = "eyJhbGciOiJFUzI1NiJ9" + "." + "eyJzdWIiOiJrZXlfMSJ9" + "." + "c2lnbmF0dXJl"
Written = Callable[[], list[dict[str, object]]]


@pytest.fixture
def written() -> Iterator[Written]:
    """Configure the product's logs at DEBUG into memory; what was written so far, line by line."""
    stream = io.StringIO()
    root = logging.getLogger()
    kept = (root.handlers[:], root.level)
    wanted = logs.configuration(level="DEBUG", as_json=True)
    wanted["handlers"]["stderr"]["stream"] = stream
    logging.config.dictConfig(wanted)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = kept[0], kept[1]


CANARIES = [compose(brand, kind, RANDOM_PART).text for brand in ("lk", "brand2000000") for kind in SecretKind]


SHAPES = [*CANARIES, JWT, SECRET[:-3], SECRET.upper(), SECRET.replace("_", "%5F")]


@pytest.mark.parametrize("secret", SHAPES, ids=map(str, range(len(SHAPES))))
def test_whatever_has_a_secrets_shape_is_masked_wherever_it_stands(secret: str, written: Written) -> None:
    log = logging.getLogger("any.library")
    log.debug("in the message: %s" % secret)  # noqa: G002, UP031  # as a careless library would
    log.info("in an argument: %s and %r", secret, {"k": [secret]})
    log.warning(
        "in extra", extra={"path": f"/v1/{secret}/x", "nested": {"list": [secret], secret: 1}, "object": {secret}}
    )
    try:
        raise RuntimeError(secret)  # noqa: TRY301
    except RuntimeError:
        log.exception("in a traceback")
    structlog.get_logger("ours").error("in structlog", value=secret)
    text = json.dumps(written())
    assert secret not in text
    assert secret.lower()[12:] not in text.lower()
    assert text.count(MASK.strip("[]")) >= 6
    assert len(written()) == 5


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary-of-any-shape",
        "Authorization: Basic Y2FuYXJ5OmNhbmFyeQ==",
        "{'HTTP_AUTHORIZATION': 'canary of any shape', 'HTTP_HOST': 'x'}",
        '{"cookie": "latchkey_session=canary; other=canary"}',
        "[(b'cookie', b'latchkey_session=canary')]",
        "Set-Cookie: latchkey_session=canary; Path=/",
        "X-API-Key: canary-of-any-shape",
        "API-Key: canary-of-any-shape",
        "{'HTTP_API_KEY': 'canary of any shape'}",
        "x-latchkey-secret=canary-of-any-shape",
        "curl -H 'Authorization: canary canary'",
        "/accounts/password/reset/key/1-canary-canary/",
        "/accounts/confirm-email/canary/",
        "redis://:canary@cache.example.com:6379/0",
        "postgresql://latchkey:canary@db.example.com/x",
    ],
)
def test_credentials_are_masked_by_the_name_they_go_under(text: str) -> None:
    assert "canary" not in redact(text)
    assert MASK in redact(text)


@pytest.mark.parametrize("name", ["Authorization", "cookie", "HTTP_COOKIE", "x-api-key", "password", "oldpassword"])
def test_fields_named_like_credentials_are_masked_whatever_they_hold(name: str, written: Written) -> None:
    logging.getLogger("x").info("event", extra={"headers": {name: "plain words"}})
    structlog.get_logger("x").info("event", **{name: "plain words"})
    assert "plain words" not in json.dumps(written())


@pytest.mark.parametrize(
    "text",
    [
        "lk_live_7Qd3…x9Kf",
        "key_0BnkUMLTm1nD1SlTCZ0Abc is revoked",
        "api_0BnkUMLTm1nD1SlTCZ0Abc",
        "GET /app/keys/ took 12 ms",
        "https://keys.example.com/docs/",
        "Basic authentication is off",
    ],
)
def test_what_may_be_read_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_every_library_writes_the_same_shape(written: Written) -> None:
    for name in ("django", "django.server", "django.security", "celery.task", "granian.access", "_granian", "portal.x"):
        logging.getLogger(name).warning("event", extra={"key": "key_1"})
    for line in written():
        assert line["event"] == "event"
        assert line["key"] == "key_1"
        assert {"level", "logger", "timestamp"} <= line.keys()
    assert len(written()) == 7


def test_a_line_cannot_be_broken_to_forge_another(written: Written) -> None:
    logging.getLogger("x").info('one\n{"event": "forged"}\r\n\x1b[31m')
    assert len(written()) == 1
    assert "forged" in str(written()[0]["event"])


def test_the_request_id_stands_in_every_line_while_it_is_bound(written: Written) -> None:
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        logging.getLogger("any.library").info("inside")
    logging.getLogger("any.library").info("outside")
    inside, outside = written()
    assert inside["request_id"] == "req_1"
    assert "request_id" not in outside


def test_a_record_that_cannot_be_formatted_does_not_spill_its_arguments(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = next(handler for handler in logging.getLogger().handlers if isinstance(handler, logs.QuietFailureHandler))
    ours.handle(logging.LogRecord("x", logging.INFO, __file__, 1, "%d", (SECRET,), None))
    said = capsys.readouterr().err
    assert "log record lost (TypeError)" in said
    assert "test_logs.py" in said
    assert SECRET not in said
    assert written() == []


@pytest.mark.django_db
@pytest.mark.urls("tests.support.routes")
def test_djangos_own_lines_about_a_request_show_no_query(written: Written) -> None:
    client = Client(raise_request_exception=False)
    client.get("/failing/?token=canary")
    client.post("/theme/?token=canary", headers={"Host": "evil.example"})
    assert {"django.request", "django.security.DisallowedHost"} <= {line["logger"] for line in written()}
    assert "a bug" in json.dumps(written())
    assert "canary" not in json.dumps(written())


@pytest.mark.django_db
def test_a_request_that_finds_nothing_is_one_line(written: Written) -> None:
    Client().get("/absent/")
    assert [line["logger"] for line in written() if line["level"] != "debug"] == ["portal.request"]


def test_statements_with_their_parameters_are_never_written(written: Written) -> None:
    logging.getLogger("django.db.backends").debug("(0.001) INSERT … args=%s", ("a session's contents",))
    assert written() == []


def test_for_people_it_is_lines_of_text_with_the_same_masking() -> None:
    stream = io.StringIO()
    wanted = logs.configuration(level="INFO", as_json=False)
    formatter = wanted["formatters"]["structured"]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter.pop("()")(**formatter))
    try:
        raise RuntimeError(SECRET)  # noqa: TRY301
    except RuntimeError:
        handler.handle(logging.LogRecord("x", logging.ERROR, __file__, 1, f"event {SECRET}", (), sys.exc_info()))
    assert "event" in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize(("level", "told"), [("INFO", {"did something", "failed"}), ("DEBUG", None)])
def test_a_scheduled_task_that_found_nothing_to_do_says_nothing_at_info(level: str, told: set[str] | None) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    kept = (root.handlers[:], root.level)
    wanted = logs.configuration(level=level, as_json=True)
    wanted["handlers"]["stderr"]["stream"] = stream
    logging.config.dictConfig(wanted)
    try:
        logging.getLogger("celery.beat").info("due")
        logging.getLogger("celery.worker.strategy").info("received")
        trace = logging.getLogger("celery.app.trace")
        for name, done in (("did nothing", "0"), ("says nothing", "None"), ("did something", "3")):
            trace.info("%(name)s", {"name": name, "return_value": done})
        trace.error("%(name)s", {"name": "failed", "return_value": "None"})
    finally:
        root.handlers[:], root.level = kept[0], kept[1]
        for name in logs.BEFORE_A_TASK:
            logging.getLogger(name).setLevel(logging.NOTSET)
    said = {json.loads(line)["event"] for line in stream.getvalue().splitlines()}
    assert said == (told or {"due", "received", "did nothing", "says nothing", "did something", "failed"})
