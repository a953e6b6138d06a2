"""``/v1/validate`` and ``/v1/whoami`` as their callers meet them, on both databases."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from keys.models import Api, ApiKey, Environment, RevokeReason
from keys.pages import backend_guide
from keys.rules.field_rules import parse_rate_limit
from keys.rules.secret import SecretKind, generate
from keys.services.api_secrets import IssuedApiSecret, disable_api_secret, issue_api_secret, revoke_api_secret
from keys.services.apis import ApiSettings, ScopeSettings, create_api, disable_api, edit_api
from keys.services.credentials import disable_credential, note_credential, revoke_credential
from keys.services.keys import IssuedKey, KeySettings, edit_key, issue_key
from keys.services.secrets import roll_credential
from keys.team.services.departures import remove_member
from keys.validation import http
from keys.validation.http import validate, whoami
from keys.validation.request import ValidateRequest, strict_parse
from keys.validation.store import database
from portal.accounts.passwords import BoundedArgon2Hasher
from portal.audit import COMMAND, Actor
from portal.models import Membership, Organization, User
from portal.services.organizations import close_organization, note_organization, suspend_organization
from tests.support.asgi import Reply, ask

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
BROKEN = database.Loader(list, lambda _: 1 // 0)  # type: ignore[arg-type,return-value]  # it returns nothing


def ask_validate(secret: IssuedApiSecret | str | None, body: object, **more: Any) -> Reply:
    headers = [("content-type", "application/json")]
    if secret is not None:
        text = secret if isinstance(secret, str) else secret.secret_text
        headers.append(("authorization", f"Bearer {text}"))
    headers = [*more.pop("headers", ()), *headers]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(validate, more.pop("method", "POST"), "/v1/validate", headers=headers, body=content, **more)


def ask_whoami(text: str, **more: Any) -> Reply:
    return ask(whoami, more.pop("method", "GET"), "/v1/whoami", headers=[("authorization", f"Bearer {text}")], **more)


def test_a_key_may_have_five_hundred_scopes_and_a_call_needs_at_most_a_hundred(
    acme: Organization, as_ada: Actor
) -> None:
    scopes = sorted(f"resource-{n:03}:{verb}" for n in range(250) for verb in ("read", "write"))
    api = create_api(
        "https://many.example.com", ApiSettings("Many", dict.fromkeys(scopes, ScopeSettings())), by=COMMAND
    )
    secret = issue_api_secret(api.api, name="Backend", environment=Environment.LIVE, by=COMMAND)
    wanted = KeySettings("all of them", scopes=scopes)
    text = issue_key(acme, api.api, wanted, environment=Environment.LIVE, by=as_ada).secret_text
    answer = ask_validate(secret, {"credential": text, "scopes": scopes[-100:]}).json
    assert (answer["code"], answer["scopes"]) == ("VALID", scopes)
    assert ask_validate(secret, {"credential": text, "scopes": scopes[-101:]}).status == 422


def code_of(secret: IssuedApiSecret, key_text: str, **call: object) -> str:
    reply = ask_validate(secret, {"credential": key_text, **call})
    assert reply.status == 200
    code: str = reply.json["code"]
    return code


def test_a_good_key_is_valid(api_secret: IssuedApiSecret, issued: IssuedKey) -> None:
    reply = ask_validate(
        api_secret,
        {"credential": issued.secret_text, "scopes": ["orders:read"], "ip": "203.0.113.9", "cost": 1},
        headers=[("x-request-id", "abc-1")],
    )
    assert reply.status == 200
    assert reply.json == {
        "valid": True,
        "code": "VALID",
        "request_id": "abc-1",
        "credential": {
            "type": "api_key",
            "id": issued.credential.public_id,
            "name": "billing worker",
            "environment": "live",
            "expires_at": None,
            "secret_id": issued.credential.secrets.get().public_id,
        },
        "organization": {
            "id": issued.credential.organization.public_id,
            "name": "Acme",
            "external_id": None,
            "metadata": {},
        },
        "subject": issued.credential.public_id,
        "client_id": None,
        "scopes": ["orders:read", "orders:write"],
        "metadata": {},
        "operator_metadata": {},
        "rate_limit": None,
        "quota": None,
    }


def test_the_docs_show_the_members_of_an_answer_and_which_of_them_to_trust(
    api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor, client: Client
) -> None:
    edit_key(issued.credential, KeySettings("k", rate_limits=[parse_rate_limit("100/60")]), by=as_ada)
    told, shown = ask_validate(api_secret, {"credential": issued.secret_text}).json, json.loads(backend_guide.ANSWER)
    assert told.keys() == shown.keys()
    for member in ("credential", "organization", "rate_limit"):
        assert told[member].keys() == shown[member].keys()
    page = " ".join(client.get("/docs/").text.split())
    assert "You can trust what only the operator of this portal writes" in page


def test_an_answer_has_the_headers_of_every_machine_answer(api_secret: IssuedApiSecret, issued: IssuedKey) -> None:
    reply = ask_validate(api_secret, {"credential": issued.secret_text})
    assert reply["content-type"] == "application/json"
    assert reply["cache-control"] == "no-store"
    assert reply["x-content-type-options"] == "nosniff"
    assert reply["x-request-id"] == reply.json["request_id"]
    assert "set-cookie" not in dict(reply.headers)


def test_expiry_and_metadata_are_told(api: Api, acme: Organization, as_ada: Actor, api_secret: IssuedApiSecret) -> None:
    wanted = KeySettings("k", expires_at=timezone.now().replace(microsecond=0) + timedelta(days=1), metadata={"p": [1]})
    issued = issue_key(acme, api, wanted, environment=Environment.LIVE, by=as_ada)
    told = ask_validate(api_secret, {"credential": issued.secret_text}).json
    assert told["credential"]["expires_at"] == f"{wanted.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert told["metadata"] == {"p": [1]}


def test_backends_read_the_operators_words_apart_from_the_consumers(
    api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor
) -> None:
    edit_key(issued.credential, KeySettings("k", metadata={"plan": "gold"}), by=as_ada)
    note_credential(issued.credential, {"plan": "basic"}, by=COMMAND)
    note_organization(issued.credential.organization, external_id="crm-42", operator_metadata={"tier": "é"}, by=COMMAND)
    for told in (
        ask_validate(api_secret, {"credential": issued.secret_text}).json,
        ask_whoami(issued.secret_text).json,
    ):
        assert (told["metadata"], told["operator_metadata"]) == ({"plan": "gold"}, {"plan": "basic"})
        assert (told["organization"]["external_id"], told["organization"]["metadata"]) == ("crm-42", {"tier": "é"})


@pytest.mark.parametrize("text", ["x", "lk_live_" + "a" * 38, "eyJhbGciOiJub25lIn0.e30.", "é", "lk_live_", " "])
def test_a_text_of_no_kind_is_malformed(api_secret: IssuedApiSecret, text: str) -> None:
    reply = ask_validate(api_secret, {"credential": text})
    assert reply.json == {"valid": False, "code": "MALFORMED", "request_id": reply["x-request-id"]}


@pytest.mark.parametrize("kind", list(SecretKind))
def test_an_unknown_secret_is_not_found(api_secret: IssuedApiSecret, kind: SecretKind) -> None:
    reply = ask_validate(api_secret, {"credential": generate("lk", kind).text})
    assert reply.json == {"valid": False, "code": "NOT_FOUND", "request_id": reply["x-request-id"]}


def test_what_needs_no_look_up_makes_none(api_secret: IssuedApiSecret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database._loaders, "secret", BROKEN)
    typo = generate("lk", SecretKind.LIVE).text[:-1] + "!"
    assert code_of(api_secret, typo) == "MALFORMED"
    assert code_of(api_secret, generate("lk", SecretKind.CLIENT).text) == "NOT_FOUND"


def test_an_api_secret_is_no_credential(api_secret: IssuedApiSecret) -> None:
    assert code_of(api_secret, api_secret.secret_text) == "NOT_FOUND"


def test_a_key_of_another_api_or_environment_reads_as_unknown(
    api: Api, issued: IssuedKey, api_secret: IssuedApiSecret
) -> None:
    test_side = issue_api_secret(api, name="Test", environment=Environment.TEST, by=COMMAND)
    other = create_api("https://other.example.com", ApiSettings("Other", {}), by=COMMAND).api
    other_api = issue_api_secret(other, name="Other", environment=Environment.LIVE, by=COMMAND)
    unknown = generate("lk", SecretKind.LIVE).text
    fixed = [("x-request-id", "same")]
    replies = [
        ask_validate(secret, {"credential": text}, headers=fixed)
        for secret, text in [
            (api_secret, unknown),
            (test_side, issued.secret_text),
            (other_api, issued.secret_text),
        ]
    ]
    assert len({(reply.status, reply.body, tuple(reply.headers)) for reply in replies}) == 1


def test_a_foreign_key_costs_the_reads_of_an_unknown_one(
    issued: IssuedKey, api_secret: IssuedApiSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the time of the answer would tell what its bytes do not."""
    other = create_api("https://other.example.com", ApiSettings("Other", {}), by=COMMAND).api
    test_side = issue_api_secret(issued.credential.api, name="Test", environment=Environment.TEST, by=COMMAND)
    other_api = issue_api_secret(other, name="Other", environment=Environment.LIVE, by=COMMAND)
    read: list[tuple[str, int]] = []

    def note(kind: str, select: Callable[[Sequence[Any]], Any], keys: Sequence[Any]) -> Any:
        read.append((kind, len(keys)))
        return select(keys)

    for kind, load in list(database._loaders.items()):
        monkeypatch.setitem(database._loaders, kind, replace(load, select=partial(note, kind, load.select)))
    assert [code_of(api_secret, issued.secret_text) for _ in range(2)] == ["VALID"] * 2  # it is known here by now
    assert (
        code_of(other_api, generate("lk", SecretKind.LIVE).text)
        == code_of(test_side, issued.secret_text)
        == "NOT_FOUND"
    )
    costs = []
    for secret, text in [
        (api_secret, generate("lk", SecretKind.LIVE).text),
        (test_side, issued.secret_text),
        (other_api, issued.secret_text),
    ]:
        read.clear()
        assert code_of(secret, text) == "NOT_FOUND"
        costs.append(list(read))
    ask_whoami(issued.secret_text)
    newcomer = issue_api_secret(other, name="New", environment=Environment.LIVE, by=COMMAND)  # not known here yet
    read.clear()
    assert code_of(newcomer, issued.secret_text) == "NOT_FOUND"
    assert costs[0] == costs[1] == costs[2] == read != []


def test_no_slow_hash_is_made_on_a_calls_time(
    issued: IssuedKey, api_secret: IssuedApiSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stranger's wrong guesses would burn the CPU."""
    for work in ("encode", "verify"):
        monkeypatch.setattr(BoundedArgon2Hasher, work, lambda *_: 1 // 0)
    assert code_of(api_secret, issued.secret_text) == "VALID"
    assert code_of(api_secret, generate("lk", SecretKind.LIVE).text) == "NOT_FOUND"
    assert ask_validate(generate("lk", SecretKind.API).text, {"credential": "x"}).status == 401


def test_a_revoked_key_is_refused_by_name(api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor) -> None:
    revoke_credential(issued.credential, reason=RevokeReason.UNUSED, by=as_ada)
    reply = ask_validate(api_secret, {"credential": issued.secret_text})
    assert reply.json == {
        "valid": False,
        "code": "REVOKED",
        "request_id": reply["x-request-id"],
        "credential": {
            "type": "api_key",
            "id": issued.credential.public_id,
            "name": "billing worker",
            "environment": "live",
            "expires_at": None,
            "secret_id": issued.credential.secrets.get().public_id,
        },
        "organization": {
            "id": issued.credential.organization.public_id,
            "name": "Acme",
            "external_id": None,
            "metadata": {},
        },
    }


def test_every_change_holds_for_the_next_call(
    api: Api, api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor
) -> None:
    text = issued.secret_text
    rolled = roll_credential(issued.credential, overlap=timedelta(hours=1), by=as_ada)
    assert (code_of(api_secret, text), code_of(api_secret, rolled.secret_text)) == ("VALID", "VALID")
    roll_credential(issued.credential, overlap=timedelta(0), by=as_ada)
    assert code_of(api_secret, text) == "SUPERSEDED"
    disable_credential(issued.credential, by=as_ada)
    assert code_of(api_secret, text) == "DISABLED"
    revoke_credential(issued.credential, reason=RevokeReason.LEAKED, by=as_ada)
    assert code_of(api_secret, text) == "COMPROMISED"


def test_a_suspended_organizations_key_is_refused(api_secret: IssuedApiSecret, issued: IssuedKey) -> None:
    suspend_organization(issued.credential.organization, by=COMMAND)
    assert code_of(api_secret, issued.secret_text) == "ORGANIZATION_SUSPENDED"


def test_a_closed_organizations_key_is_refused(api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor) -> None:
    close_organization(issued.credential.organization, by=as_ada)
    assert code_of(api_secret, issued.secret_text) == "ORGANIZATION_SUSPENDED"


def test_a_key_outlives_its_owners_membership(
    api_secret: IssuedApiSecret, issued: IssuedKey, ben: User, as_ada: Actor
) -> None:
    ApiKey.objects.filter(pk=issued.credential.pk).update(owner=ben)
    remove_member(Membership.objects.get(user=ben), new_owner=as_ada.user, by=as_ada)
    assert code_of(api_secret, issued.secret_text) == "VALID"


def test_a_missing_scope_is_named(api_secret: IssuedApiSecret, issued: IssuedKey) -> None:
    reply = ask_validate(api_secret, {"credential": issued.secret_text, "scopes": ["orders:read", "refunds:write"]})
    assert (reply.json["code"], reply.json["missing_scopes"]) == ("INSUFFICIENT_SCOPE", ["refunds:write"])


def test_networks_hold(api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor) -> None:
    edit_key(issued.credential, KeySettings("k", networks=["203.0.113.0/24"]), by=as_ada)
    assert code_of(api_secret, issued.secret_text, ip="203.0.113.9") == "VALID"
    assert code_of(api_secret, issued.secret_text, ip="::ffff:203.0.113.9") == "VALID"
    assert code_of(api_secret, issued.secret_text, ip="203.0.114.9") == "IP_DENIED"
    assert code_of(api_secret, issued.secret_text) == "IP_DENIED"


def test_a_rate_limit_is_told_and_holds(api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor) -> None:
    edit_key(
        issued.credential, KeySettings("k", rate_limits=[{"name": "default", "limit": 2, "window_s": 3600}]), by=as_ada
    )
    first = ask_validate(api_secret, {"credential": issued.secret_text}).json
    assert first["rate_limit"] == {"limit": 2, "window_s": 3600, "remaining": 1, "reset_s": 1800.0}
    assert code_of(api_secret, issued.secret_text, scopes=["refunds:write"]) == "INSUFFICIENT_SCOPE"
    assert code_of(api_secret, issued.secret_text) == "VALID"
    refused = ask_validate(api_secret, {"credential": issued.secret_text}).json
    assert (refused["valid"], refused["code"], refused["rate_limit"]["remaining"]) == (False, "RATE_LIMITED", 0)
    assert 1799 < refused["retry_after_s"] <= 1800


def test_an_apis_ceiling_holds_whatever_limits_a_key_has_of_its_own(
    api: Api, api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor
) -> None:
    edit_key(issued.credential, KeySettings("k", rate_limits=[parse_rate_limit("1000000/1")]), by=as_ada)
    scopes = {scope: ScopeSettings() for scope in api.scopes.values_list("name", flat=True)}
    edit_api(api, ApiSettings("Orders", scopes, max_rate_limits=[parse_rate_limit("2/3600")]), by=COMMAND)
    told = [ask_validate(api_secret, {"credential": issued.secret_text}).json for _ in range(3)]
    assert [each["code"] for each in told] == ["VALID", "VALID", "RATE_LIMITED"]
    assert [each["rate_limit"]["limit"] for each in told] == [2, 2, 2]
    assert told[0]["rate_limit"] == {"limit": 2, "window_s": 3600, "remaining": 1, "reset_s": 1800.0}


def test_a_limit_below_the_ceiling_is_the_one_that_is_told(
    api: Api, api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor
) -> None:
    edit_key(issued.credential, KeySettings("k", rate_limits=[parse_rate_limit("2/60")]), by=as_ada)
    edit_api(api, ApiSettings("Orders", {}, max_rate_limits=[parse_rate_limit("100/60")]), by=COMMAND)
    assert ask_validate(api_secret, {"credential": issued.secret_text}).json["rate_limit"]["limit"] == 2


def test_a_quota_is_told_and_what_it_refuses_costs_no_limit(
    api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor
) -> None:
    limits = [parse_rate_limit("9/3600")]
    edit_key(issued.credential, KeySettings("k", rate_limits=limits, quota={"limit": 3, "refill": "none"}), by=as_ada)
    first = ask_validate(api_secret, {"credential": issued.secret_text, "cost": 2}).json
    assert first["quota"] == {"limit": 3, "remaining": 1, "refill": "none", "resets_at": None}
    refused = ask_validate(api_secret, {"credential": issued.secret_text, "cost": 2}).json
    assert (refused["valid"], refused["code"], refused["quota"]["remaining"]) == (False, "QUOTA_EXCEEDED", 1)
    assert code_of(api_secret, issued.secret_text, cost=8) == "RATE_LIMITED"  # the limits are asked first
    assert code_of(api_secret, issued.secret_text) == "VALID"
    told = ask_whoami(issued.secret_text).json
    assert (told["rate_limit"]["remaining"], told["quota"]["remaining"]) == (6, 0)


def test_a_quota_that_cannot_be_asked_is_no_yes(
    api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_key(issued.credential, KeySettings("k", quota={"limit": 3, "refill": "day"}), by=as_ada)
    monkeypatch.setattr("keys.validation.limits.quotas._SPEND", "SELECT nothing FROM nowhere")
    assert ask_validate(api_secret, {"credential": issued.secret_text}).status == 503
    told = ask_whoami(issued.secret_text).json["quota"]
    assert (told["remaining"], told["resets_at"][10:]) == (3, "T00:00:00Z")


def test_every_pepper_is_read(api_secret: IssuedApiSecret, issued: IssuedKey, settings: Settings) -> None:
    settings.KEY_PEPPERS = (type(settings.KEY_PEPPERS[0])("2", b"\2" * 32), *settings.KEY_PEPPERS)
    assert code_of(api_secret, issued.secret_text) == "VALID"


def test_without_a_caller_there_is_a_challenge_without_an_error(issued: IssuedKey) -> None:
    reply = ask_validate(None, {"credential": issued.secret_text})
    assert (reply.status, reply["www-authenticate"], reply.json["code"]) == (401, "Bearer", "credential_missing")


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer x", "Basic eDp4", "Bearer a, Bearer b", "Bearer  ", "Bearer \xff", "x" * 9_000],
)
def test_any_other_caller_is_refused(issued: IssuedKey, authorization: str) -> None:
    headers = [("authorization", authorization), ("content-type", "application/json")]
    body = json.dumps({"credential": issued.secret_text}).encode()
    reply = ask(validate, "POST", "/v1/validate", headers=headers, body=body)
    assert (reply.status, reply["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_two_authorization_headers_are_refused(api_secret: IssuedApiSecret, issued: IssuedKey) -> None:
    again = [("authorization", f"Bearer {api_secret.secret_text}")]
    assert ask_validate(api_secret, {"credential": issued.secret_text}, headers=again).status == 401


def test_api_secrets_that_do_not_work_are_all_refused_alike(
    api: Api, issued: IssuedKey, api_secret: IssuedApiSecret
) -> None:
    fixed = [("x-request-id", "same")]
    body = {"credential": issued.secret_text}
    replies = [
        ask_validate(generate("lk", SecretKind.API).text, body, headers=fixed),
        ask_validate(issued.secret_text, body, headers=fixed),
    ]
    disable_api_secret(api_secret.secret, by=COMMAND)
    replies.append(ask_validate(api_secret, body, headers=fixed))
    revoke_api_secret(api_secret.secret, reason=RevokeReason.OTHER, by=COMMAND)
    replies.append(ask_validate(api_secret, body, headers=fixed))
    another = issue_api_secret(api, name="Another", environment=Environment.LIVE, by=COMMAND)
    disable_api(api, by=COMMAND)
    replies.append(ask_validate(another, body, headers=fixed))
    assert {reply.status for reply in replies} == {401}
    assert len({(reply.body, tuple(reply.headers)) for reply in replies}) == 1


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"method": "GET"}, 405, "method_not_allowed"),
        ({"method": "PUT"}, 405, "method_not_allowed"),
        ({"method": "OPTIONS"}, 405, "method_not_allowed"),
        ({"query": b"credential=x"}, 400, "query_not_read"),
        ({"headers": [("content-type", "text/plain")]}, 415, "unsupported_media_type"),
        ({"headers": [("content-encoding", "gzip")]}, 415, "unsupported_media_type"),
        ({"body": b"{"}, 400, "malformed_request"),
        ({"body": b'{"credential": "x", "credential": "y"}'}, 400, "malformed_request"),
        ({"body": b"[]"}, 400, "malformed_request"),
        ({"body": b'{"credential": [' + b"1," * 1_000 + b"1]}"}, 400, "malformed_request"),
        ({"body": b'{"credential": 18446744073709551616}'}, 400, "malformed_request"),
        ({"body": b"{}"}, 422, "invalid_fields"),
        ({"body": b'{"credential": null, "colour": 1}'}, 422, "invalid_fields"),
        ({"body": b" " * 65_537}, 413, "request_too_large"),
        ({"headers": [("content-length", "65537")]}, 413, "request_too_large"),
        ({"headers": [("content-length", "9" * 400)]}, 413, "request_too_large"),
    ],
)
def test_bad_requests_are_explained_to_a_known_caller_alone(
    api_secret: IssuedApiSecret, more: dict[str, Any], status: int, code: str
) -> None:
    body = more.pop("body", b'{"credential": "x"}')
    reply = ask_validate(api_secret, body, **more)
    assert (reply.status, reply.json["status"], reply.json["code"]) == (status, status, code)
    assert reply["content-type"] == "application/problem+json"
    assert reply.json["instance"].endswith(reply["x-request-id"])
    assert set(reply.json) >= {"type", "title", "status", "detail", "instance", "code"}
    stranger = ask_validate(generate("lk", SecretKind.API).text, body, **more)
    assert stranger.status == 401


@pytest.mark.parametrize("text", ["", "x" * 16_385, "eyJ" + "x" * 60_000])
def test_an_empty_or_endless_credential_is_malformed(api_secret: IssuedApiSecret, text: str) -> None:
    assert code_of(api_secret, text) == "MALFORMED"


@pytest.mark.parametrize("path", ["", "orders/7", "/" + "x" * 8_192])
def test_a_path_that_the_end_caller_chose_badly_is_no_fault_of_the_backend(
    api_secret: IssuedApiSecret, issued: IssuedKey, path: str
) -> None:
    assert code_of(api_secret, issued.secret_text, path=path, method="G T") == "VALID"


@pytest.mark.parametrize(
    ("ip", "code"),
    [
        ("203.0.113.9:5678", "VALID"),
        ("[2001:db8::7]:5678", "VALID"),
        ("2001:db8::7%eth0", "VALID"),
        ("198.51.100.7:5678", "IP_DENIED"),
        ("", "IP_DENIED"),
        ("unknown", "IP_DENIED"),
        ("203.0.113.9, 203.0.113.8", "IP_DENIED"),
    ],
)
def test_an_ip_is_read_as_proxies_write_it_and_is_else_unknown(
    api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor, ip: str, code: str
) -> None:
    edit_key(issued.credential, KeySettings("k", networks=["203.0.113.0/24", "2001:db8::/32"]), by=as_ada)
    assert code_of(api_secret, issued.secret_text, ip=ip) == code


def test_strangers_never_have_a_body_parsed_strictly(
    api_secret: IssuedApiSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    def read_and_note(body: bytes) -> ValidateRequest:
        read.append(body)
        return strict_parse(body)

    monkeypatch.setattr(http, "strict_parse", read_and_note)
    for body in (b'{"credential": "\\n"}', b"[" * 60_000, b'{"a": [' + b"{}," * 20_000 + b"1]}"):
        assert ask_validate(generate("lk", SecretKind.API).text, body).status == 401
    assert read == []
    assert ask_validate(api_secret, b'{"credential": "\\n"}').status == 200
    assert len(read) == 1


def test_a_wrong_method_is_told_the_right_one(api_secret: IssuedApiSecret) -> None:
    assert ask_validate(api_secret, b"", method="GET")["allow"] == "POST"


def test_every_invalid_field_is_named(api_secret: IssuedApiSecret) -> None:
    errors = ask_validate(api_secret, {"cost": 0, "ip": None, "colour": 1}).json["errors"]
    assert {error["field"] for error in errors} == {"credential", "cost", "ip", "colour"}


@pytest.mark.parametrize(
    "charset", ["; charset=utf-8", ';charset="UTF-8"', "; charset=us-ascii", "; charset=iso-8859-1"]
)
def test_json_is_read_as_utf_8_whatever_charset_it_is_said_to_be_in(api_secret: IssuedApiSecret, charset: str) -> None:
    headers = [("content-type", "Application/JSON" + charset), ("authorization", f"Bearer {api_secret.secret_text}")]
    assert ask(validate, "POST", headers=headers, body=b'{"credential": "x"}').status == 200
    assert ask(validate, "POST", headers=headers, body=b'{"credential": "\xe9"}').status == 400


def test_a_body_in_pieces_is_one_body(api_secret: IssuedApiSecret, issued: IssuedKey) -> None:
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {api_secret.secret_text}")]
    text = json.dumps({"credential": issued.secret_text}).encode()
    reply = ask(validate, "POST", headers=headers, body=[text[:7], b"", text[7:], b""])
    assert reply.json["valid"] is True


def test_a_body_that_never_ends_is_given_up(api_secret: IssuedApiSecret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.edge.request_body.READ_WITHIN_S", 0.01)
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {api_secret.secret_text}")]
    reply = ask(validate, "POST", headers=[*headers, ("content-length", "10")], body=[])
    assert reply.status == 408


def test_plain_http_is_refused_before_anything_else(
    api_secret: IssuedApiSecret, issued: IssuedKey, settings: Settings
) -> None:
    settings.HTTPS = True
    body = {"credential": issued.secret_text}
    assert ask_validate(api_secret, body).json["code"] == "https_required"
    assert ask_validate(api_secret, body, headers=[("x-forwarded-proto", "https")]).status == 403
    assert ask_validate(api_secret, body, scheme="https").json["valid"] is True


def test_whatever_breaks_is_a_503_and_never_a_yes(
    api_secret: IssuedApiSecret, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database._loaders, "org", BROKEN)
    reply = ask_validate(api_secret, {"credential": issued.secret_text})
    assert (reply.status, reply["retry-after"], reply.json["code"]) == (503, "1", "unavailable")


def test_a_key_tells_its_holder_about_itself(issued: IssuedKey, api_secret: IssuedApiSecret) -> None:
    about_itself = ask_whoami(issued.secret_text)
    to_a_backend = ask_validate(api_secret, {"credential": issued.secret_text})
    assert about_itself.status == 200
    assert about_itself.json | {"request_id": ""} == to_a_backend.json | {"request_id": ""}


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
def test_a_key_may_come_in_a_header_of_its_own(name: str, issued: IssuedKey) -> None:
    assert ask(whoami, headers=[(name, issued.secret_text)]).json["valid"] is True


def test_one_credential_in_all_headers_is_one(issued: IssuedKey) -> None:
    text = issued.secret_text
    headers = [("x-api-key", text), ("api-key", text), ("authorization", f"bearer {text}")]
    assert ask(whoami, headers=headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("x-api-key", "a"), ("authorization", "Bearer b")],
        [("x-api-key", "a"), ("x-api-key", "b")],
        [("x-api-key", "a"), ("api-key", "b")],
        [("authorization", "Bearer a"), ("authorization", "Bearer b")],
        [("authorization", "Bearer a,Bearer b")],
        [("x-api-key", "a,b")],
    ],
)
def test_two_credentials_are_refused(headers: list[tuple[str, str]]) -> None:
    reply = ask(whoami, headers=headers)
    assert (reply.status, reply.json["code"]) == (400, "ambiguous_credentials")


def test_no_credential_is_challenged_and_an_address_is_never_read(issued: IssuedKey) -> None:
    reply = ask(whoami, query=f"api_key={issued.secret_text}&access_token={issued.secret_text}".encode())
    assert (reply.status, reply["www-authenticate"]) == (401, "Bearer")


def test_a_refused_credential_is_told_why(issued: IssuedKey, api: Api, as_ada: Actor) -> None:
    unknown = ask_whoami(generate("lk", SecretKind.LIVE).text)
    assert (unknown.status, unknown.json["code"]) == (401, "NOT_FOUND")
    assert unknown["www-authenticate"] == 'Bearer error="invalid_token"'
    assert ask_whoami("typo").json["code"] == "MALFORMED"
    disable_api(api, by=COMMAND)
    assert ask_whoami(issued.secret_text).json["code"] == "DISABLED"


def test_an_api_secret_is_nobody(api_secret: IssuedApiSecret) -> None:
    assert ask_whoami(api_secret.secret_text).json["code"] == "NOT_FOUND"


def test_a_holder_is_held_to_the_networks_by_the_address_it_comes_from(issued: IssuedKey, as_ada: Actor) -> None:
    edit_key(issued.credential, KeySettings("k", networks=["203.0.113.0/24"]), by=as_ada)
    assert ask_whoami(issued.secret_text, peer="203.0.113.9").status == 200
    assert ask_whoami(issued.secret_text, peer="203.0.114.9").json["code"] == "IP_DENIED"


def test_asking_about_oneself_spends_nothing(api_secret: IssuedApiSecret, issued: IssuedKey, as_ada: Actor) -> None:
    edit_key(
        issued.credential, KeySettings("k", rate_limits=[{"name": "default", "limit": 1, "window_s": 3600}]), by=as_ada
    )
    assert [ask_whoami(issued.secret_text).json["rate_limit"]["remaining"] for _ in range(3)] == [1, 1, 1]
    assert code_of(api_secret, issued.secret_text) == "VALID"
    assert ask_whoami(issued.secret_text).json["rate_limit"]["remaining"] == 0


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_told_once_the_holder_is_known(issued: IssuedKey, method: str) -> None:
    reply = ask_whoami(issued.secret_text, method=method)
    assert (reply.status, reply["allow"]) == (405, "GET, HEAD")
    assert ask_whoami("typo", method=method).status == 401


def test_head_has_the_headers_of_get_and_no_body(issued: IssuedKey) -> None:
    reply = ask_whoami(issued.secret_text, method="HEAD")
    assert (reply.status, reply.body) == (200, b"")


def test_a_cut_scope_is_gone_at_once(api: Api, issued: IssuedKey, api_secret: IssuedApiSecret) -> None:
    edit_api(api, ApiSettings("Orders", {"orders:read": ScopeSettings()}), by=COMMAND)
    assert ask_validate(api_secret, {"credential": issued.secret_text}).json["scopes"] == ["orders:read"]
