"""What every request to Django passes through."""

import ipaddress
import json
import logging

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from keys.rules.secret import SecretKind, generate
from portal.models import Membership, Organization, User
from portal.permissions import Role

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.routes")]
PROXY = "10.0.0.1"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def proxied(settings: Settings) -> Settings:
    """A proxy of ours at 10.0.0.1, and https outside of it."""
    settings.TRUSTED_PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)
    return settings


@pytest.fixture
def https(settings: Settings) -> Settings:
    """A production that is https only."""
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = True
    return settings


# --- The request's name ---


@pytest.mark.parametrize("path", ["/seen/", "/v1/seen", "/absent", "/v1/absent", "/failing/", "/only-post/"])
def test_every_answer_carries_a_request_id(path: str, client: Client) -> None:
    client.raise_request_exception = False
    assert client.get(path)["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize("mine", ["trace-1", "a" * 64, "0b1C._-"])
def test_the_callers_own_id_is_taken_over(mine: str, client: Client) -> None:
    response = client.get("/seen/", headers={"X-Request-Id": mine})
    assert response["X-Request-Id"] == mine
    assert response.json()["actor"][3] == mine


@pytest.mark.parametrize("theirs", ["", "a" * 65, "a b", "ä", "a\tb", "<script>", "a,b"])
def test_anything_else_for_an_id_is_replaced(theirs: str, client: Client) -> None:
    assert client.get("/seen/", headers={"X-Request-Id": theirs})["X-Request-Id"].startswith("req_")


def test_each_request_leaves_one_line_without_query_or_secret(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    secret = generate("lk", SecretKind.LIVE).text
    with caplog.at_level(logging.INFO, logger="portal.request"):
        client.get(f"/app/{secret}/?token=canary")
    (record,) = [record for record in caplog.records if record.name == "portal.request"]
    line = record.__dict__
    assert (line["method"], line["status"], line["path"]) == ("GET", 404, "/app/[redacted]/")
    assert line["duration_ms"] >= 0
    assert "canary" not in json.dumps(line, default=str)


# --- Where it comes from ---


def test_without_trusted_proxies_forwarded_headers_mean_nothing(client: Client) -> None:
    headers = {"X-Forwarded-For": "198.51.100.9", "X-Forwarded-Proto": "https", "Forwarded": "for=198.51.100.9"}
    seen = client.get("/seen/", headers=headers, REMOTE_ADDR="203.0.113.7").json()
    assert (seen["address"], seen["secure"]) == ("203.0.113.7", False)


@pytest.mark.usefixtures("proxied")
def test_behind_a_trusted_proxy_the_last_untrusted_address_counts(client: Client) -> None:
    headers = {"X-Forwarded-For": "1.1.1.1, 198.51.100.9, 10.2.3.4", "X-Forwarded-Proto": "https"}
    seen = client.get("/seen/", headers=headers, REMOTE_ADDR=PROXY).json()
    assert (seen["address"], seen["secure"]) == ("198.51.100.9", True)


@pytest.mark.usefixtures("proxied")
def test_a_stranger_cannot_forward_for_himself(client: Client) -> None:
    headers = {"X-Forwarded-For": PROXY, "X-Forwarded-Proto": "https"}
    seen = client.get("/seen/", headers=headers, REMOTE_ADDR="203.0.113.7").json()
    assert (seen["address"], seen["secure"]) == ("203.0.113.7", False)


@pytest.mark.usefixtures("proxied")
def test_what_was_forwarded_is_decided_once_and_then_gone(client: Client) -> None:
    headers = {"X-Forwarded-For": "198.51.100.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    assert client.get("/seen/", headers=headers, REMOTE_ADDR=PROXY).json()["forwarded"] == []


@pytest.mark.usefixtures("proxied")
def test_a_forwarded_host_never_counts(client: Client) -> None:
    headers = {"X-Forwarded-Host": "evil.example"}
    assert client.get("/seen/", headers=headers, REMOTE_ADDR=PROXY).json()["host"] == "testserver"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "local host"])
def test_a_host_that_is_not_ours_is_400(host: str, client: Client) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 400
    machine = client.get("/v1/seen", headers={"Host": host})
    assert (machine.status_code, machine.json()["code"]) == (400, "malformed_request")


# --- What programs get ---


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/absent", 404, "not_found"),
        ("/v1/seen/", 404, "not_found"),
        ("/.well-known/absent", 404, "not_found"),
        ("/v1/only-post", 405, "method_not_allowed"),
        ("/v1/failing", 500, "internal_error"),
    ],
)
def test_programs_get_every_error_as_a_problem(path: str, status: int, code: str, client: Client) -> None:
    client.raise_request_exception = False
    response = client.get(path, headers={"X-Request-Id": "mine"})
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert "mine" in body["instance"]
    assert "bug" not in response.content.decode()


def test_programs_are_told_which_methods_are_allowed(client: Client) -> None:
    assert client.get("/v1/only-post")["Allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [("/oauth/absent", 404, "invalid_request"), ("/oauth/failing", 500, "server_error")],
)
def test_under_oauth_errors_are_those_of_rfc_6749(path: str, status: int, error: str, client: Client) -> None:
    client.raise_request_exception = False
    response = client.post(path)
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert response.json()["error"] == error


def test_programs_get_no_cookie_even_with_a_session(ada_client: Client) -> None:
    response = ada_client.get("/v1/seen")
    assert not response.cookies
    assert response.json()["organization"] is None


@pytest.mark.usefixtures("https")
def test_plain_http_is_refused_to_programs_and_redirected_for_people(client: Client) -> None:
    machine = client.get("/v1/seen")
    assert (machine.status_code, machine.json()["code"]) == (403, "https_required")
    assert "Location" not in machine
    assert client.get("/seen/")["Location"] == "https://testserver/seen/"
    assert client.get("/v1/seen", secure=True).status_code == 200


@pytest.mark.usefixtures("https")
def test_health_may_be_asked_over_plain_http(client: Client) -> None:
    assert client.get("/healthz").status_code == 404  # Django has no such page; it was not refused for its scheme


# --- Headers of pages ---


def test_every_page_carries_the_strict_headers(client: Client) -> None:
    response = client.get("/swappable/")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]


def test_what_the_signed_in_see_is_kept_by_no_cache(ada_client: Client, client: Client) -> None:
    assert "no-store" in ada_client.get("/seen/")["Cache-Control"]
    assert "Cache-Control" not in client.get("/seen/")
    assert ada_client.get("/cached/")["Cache-Control"] == "private, max-age=5"


# --- The organization ---


def test_one_works_in_ones_first_organization(ada_client: Client) -> None:
    assert ada_client.get("/seen/").json()["organization"] == "Acme"


def test_strangers_and_people_without_one_have_none(client: Client) -> None:
    assert client.get("/seen/").json()["organization"] is None
    client.force_login(User.objects.create_user("eve@example.com"))
    assert client.get("/seen/").json()["organization"] is None


def test_the_chosen_organization_lasts_until_one_is_no_member(
    ada: User, ada_client: Client, initech: Organization
) -> None:
    membership = Membership.objects.create(user=ada, organization=initech, role=Role.VIEWER)
    response = ada_client.post("/organization/", {"organization": initech.public_id})
    assert response["Location"] == "/app/"
    assert ada_client.get("/seen/").json()["organization"] == "Initech"
    membership.delete()
    assert ada_client.get("/seen/").json()["organization"] == "Acme"


def test_a_strangers_organization_cannot_be_chosen_and_looks_absent(ada_client: Client, initech: Organization) -> None:
    theirs = ada_client.post("/organization/", {"organization": initech.public_id})
    absent = ada_client.post("/organization/", {"organization": "org_absent"})
    assert theirs.status_code == absent.status_code == 404
    assert ada_client.get("/seen/").json()["organization"] == "Acme"


# --- What operations refuse ---


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/seen/?a=%00", {}),
        ("/seen/", {"Cookie": r'latchkey_session="aaaaaaaaaaaa\000"'}),
    ],
)
def test_a_nul_that_no_database_could_hold_is_400(address: str, headers: dict[str, str], client: Client) -> None:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 400
    assert "script-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("/only-post/", 1000),
        ("/app/keys/", 1000),
        ("/admin/", 1000),
        ("/app/clients/", 6000),
        ("/admin/keys/api/", 2000),
    ],
)
def test_a_form_with_more_fields_than_its_page_may_need_is_400(address: str, most: int, client: Client) -> None:
    assert client.post(address, "&".join(["a="] * most), content_type=FORM).status_code != 400
    assert client.post(address, {"a": ["1"] * (most + 1)}).status_code == 400  # of several parts
    answer = client.post(address, "&".join(["a="] * (most + 1)), content_type=FORM)
    assert answer.status_code == 400
    assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_too_many_passwords_at_once_is_a_quick_503(client: Client) -> None:
    response = client.get("/busy/")
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert "Very busy" in response.content.decode()


def test_what_a_service_refuses_is_403_with_the_role_it_takes(cyn_client: Client, ada: User) -> None:
    response = cyn_client.get("/refused/")
    assert response.status_code == 403
    assert "owner or admin" in response.content.decode()
    assert ada.display_name in response.content.decode()
