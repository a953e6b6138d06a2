"""Every endpoint declares what a request may cost, and the edge holds it to that."""

import asyncio
import ipaddress
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils.module_loading import import_string
from pytest_django import Settings

from keys.rules.secret import SecretKind, generate
from portal.edge import endpoint as endpoint_module
from portal.edge.bounds import MAX_FORM_BYTES, Bounds, PlainHttp, Sender
from portal.edge.byte_budget import BUDGET, SHARE_BYTES
from portal.edge.endpoint import AT_WORK, MAX_AT_WORK, Answer, Endpoint, Request, endpoint
from portal.edge.request_body import FREE_PIECES, UNCOUNTED_BYTES, Message
from tests.support.asgi import Reply, ask, send

PATHS = django_settings.HOT_PATHS | django_settings.HOT_PREFIXES
ENDPOINTS: dict[str, Endpoint] = {path: import_string(name) for path, name in PATHS.items()}
ENDPOINTS |= {f"/{name}": import_string(f"portal.{module}.{name}") for module, name in [
    ("operations.health", "healthz"), ("operations.health", "readyz"), ("operations.metrics", "metrics"),
]}  # fmt: skip
FORM = ("content-type", "application/x-www-form-urlencoded")
BEARER = ("authorization", f"Bearer {generate('lk', SecretKind.API).text}")
# A request that gets as far as the body. Whoever adds an endpoint that reads one adds a line.
READS_THE_BODY = {
    "/v1/validate": [BEARER, ("content-type", "application/json")],
    "/oauth/token": [FORM],
    "/oauth/introspect": [FORM],
    "/oauth/revoke": [FORM],
}
# Requests that are refused before anything of the body is read.
REFUSED_UNREAD = {
    "/v1/validate": [
        [],
        [("authorization", "Bearer x")],
        [("authorization", f"Bearer {generate('lk', SecretKind.LIVE).text}")],
        [("authorization", BEARER[1][:-1] + "!")],
        [BEARER, BEARER],
    ],
    "/oauth/token": [[], [("content-type", "application/json")]],
    "/oauth/introspect": [[], [("content-type", "application/json")], [FORM, ("authorization", "Bearer x")]],
    "/oauth/revoke": [[], [("content-type", "application/json")]],
}
PUBLIC = {path for path, app in ENDPOINTS.items() if app.bounds.plain_http is PlainHttp.INSIDE}


async def _never(_request: Request) -> Answer:
    raise AssertionError("the handler was asked")


def ask_unread(path: str, headers: list[tuple[str, str]], method: str = "POST") -> Reply:
    """Ask without a body; reading it fails the test."""
    reply = Reply()

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = [(name.decode(), value.decode()) for name, value in message["headers"]]

    scope: dict[str, Any] = {
        "type": "http", "method": method, "scheme": "http", "path": path, "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers], "client": ("203.0.113.7", 1),
    }  # fmt: skip
    asyncio.run(ENDPOINTS[path](scope, receive, keep))
    return reply


def test_every_endpoint_declares_its_bounds() -> None:
    from portal import asgi  # it may not be imported in embedded mode

    routed = [*asgi._HOT.values(), *asgi._HOT_BY_PREFIX.values(), asgi._nobody]
    assert [app for app in routed if not isinstance(app, Endpoint)] == []
    assert set(asgi._HOT) | set(asgi._HOT_BY_PREFIX) == set(ENDPOINTS)
    for path, app in ENDPOINTS.items():
        assert app.bounds.max_bytes <= MAX_FORM_BYTES, path
        assert app.bounds.checked_first, path
        assert 0 < app.bounds.max_cpu_ms <= 100, path


def test_every_endpoint_that_reads_a_body_is_listed_here() -> None:
    reading = {path for path, app in ENDPOINTS.items() if app.bounds.max_bytes}
    assert set(READS_THE_BODY) == set(REFUSED_UNREAD) == reading


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", READS_THE_BODY)
def test_a_body_past_the_declared_size_is_refused_unread(path: str) -> None:
    length = ("content-length", str(ENDPOINTS[path].bounds.max_bytes + 1))
    assert ask_unread(path, [*READS_THE_BODY[path], length]).status in {401, 413}  # 401: validate tells no stranger


@pytest.mark.parametrize(
    ("path", "headers"), [(path, headers) for path, several in REFUSED_UNREAD.items() for headers in several]
)
def test_what_is_checked_first_is_refused_before_the_body_is_read(path: str, headers: list[tuple[str, str]]) -> None:
    assert ask_unread(path, headers).status in {400, 401}


def test_no_other_endpoint_reads_a_body() -> None:
    for path in ENDPOINTS.keys() - READS_THE_BODY.keys():
        if ENDPOINTS[path].bounds.sender is not Sender.CREDENTIAL:
            assert ask_unread(path, [], "POST").status in {404, 405}, path


def test_a_process_that_has_its_hands_full_asks_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AT_WORK, "number", MAX_AT_WORK)
    assert ask(ENDPOINTS["/healthz"], "GET", "/healthz").status == 200
    for path, app in ENDPOINTS.items():
        if app.bounds.plain_http is not PlainHttp.ANYWHERE:
            reply = ask(app, "GET", path)
            assert (reply.status, reply["retry-after"]) == (503, "1"), path
    assert AT_WORK.number == MAX_AT_WORK


def test_bodies_that_do_not_come_are_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "MAX_AT_WORK", 2)

    async def echo(asked: Request) -> Answer:
        return Answer(await asked.body())

    app = endpoint(echo, Bounds(Sender.ANYBODY, 100, "nothing", 1))

    async def story() -> int:
        stalled = [asyncio.ensure_future(send(app, "POST", body=[])) for _ in range(5)]
        await asyncio.sleep(0)
        reply = await send(app, "POST", body=b"x")
        for task in stalled:
            task.cancel()
        await asyncio.gather(*stalled, return_exceptions=True)
        return reply.status

    assert asyncio.run(story()) == 200
    assert AT_WORK.number == 0


def test_bodies_that_arrive_are_counted_and_past_the_clients_share_asked_to_come_back() -> None:
    async def echo(asked: Request) -> Answer:
        return Answer(await asked.body())

    app = endpoint(echo, Bounds(Sender.ANYBODY, MAX_FORM_BYTES, "nothing", 1))
    small, large = [b"x" * UNCOUNTED_BYTES, b""], [b"x" * 20_000, b"x" * 20_000, b""]
    BUDGET.take("203.0.113.7", SHARE_BYTES - 30_000)
    try:
        refused = ask(app, "POST", body=large, peer="203.0.113.7")
        assert (refused.status, refused["retry-after"]) == (503, "1")
        assert ask(app, "POST", body=small, peer="203.0.113.7").status == 200
        assert ask(app, "POST", body=large, peer="203.0.113.8").status == 200
        assert BUDGET.held == SHARE_BYTES - 30_000
    finally:
        BUDGET.give_back("203.0.113.7", SHARE_BYTES - 30_000)


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
def test_a_body_in_many_small_pieces_is_refused_before_the_rest_of_it_is_taken(path: str) -> None:
    reply = ask(ENDPOINTS[path], "POST", path, headers=READS_THE_BODY[path], body=[b"x"] * 10_000)
    assert (reply.status, reply.json["error"]) == (400, "invalid_request")
    assert "pieces" in reply.json["error_description"]


def test_a_body_whose_pieces_have_a_usual_size_is_read_whatever_their_number() -> None:
    async def echo(asked: Request) -> Answer:
        return Answer(await asked.body())

    app = endpoint(echo, Bounds(Sender.ANYBODY, MAX_FORM_BYTES, "nothing", 1))
    assert ask(app, "POST", body=[b"x" * 536] * 120).body == b"x" * 536 * 120
    assert ask(app, "POST", body=[b"x"] * FREE_PIECES).body == b"x" * FREE_PIECES


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.0.0.1", [], 200),
        ("192.0.2.7", [], 200),
        ("192.0.2.7", [("x-forwarded-proto", "http")], 403),
        ("10.0.0.1", [("x-forwarded-proto", "http")], 403),
        ("10.0.0.1", [("x-forwarded-for", "203.0.113.7")], 403),
        ("10.0.0.1", [("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.7")], 200),
        ("203.0.113.7", [], 403),
    ],
)
def test_public_documents_are_read_over_plain_http_from_inside_alone(
    peer: str, headers: list[tuple[str, str]], status: int, settings: Settings
) -> None:
    settings.HTTPS = True
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]
    settings.PLAIN_HTTP_NETWORKS = [ipaddress.ip_network("192.0.2.0/24")]
    path = "/.well-known/oauth-authorization-server"
    assert ask(ENDPOINTS[path], "GET", path, headers=headers, peer=peer).status == status


def test_public_documents_alone_are_read_over_plain_http() -> None:
    assert {
        "/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
        "/oauth/status", "/oauth/status/",
    } == PUBLIC  # fmt: skip


def test_an_answer_that_tells_a_caller_to_wait_is_held_and_counts_as_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        held.append((seconds, AT_WORK.number))

    async def refuse(_request: Request) -> Answer:
        return Answer(b"", status=429)

    monkeypatch.setattr("portal.edge.endpoint.asyncio.sleep", sleep)
    app = endpoint(refuse, Bounds(Sender.ANYBODY, 0, "nothing", 1))
    assert ask(app, "GET").status == 429
    assert held == [(endpoint_module.TOLD_TO_WAIT_S, 0)]
