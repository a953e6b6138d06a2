"""How a client proves who it is at the token endpoint, and that whoever cannot learns nothing from it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from keys.rules.secret import SecretKind, generate
from keys.validation.snapshot_names import client_name, organization_name
from keys.validation.types import ClientSecretFacts, Code
from keys.validation.usage.recorder import UsageRecorder
from oauth.endpoints.wiring import server
from oauth.protocol.ids import client_id
from oauth.protocol.throttle import BURST, EACH_S, Failures
from tests.support.oauth.memory import ADDRESS, Memory, basic, post, refused


def percent_all(text: str) -> str:
    return "".join(f"%{ord(char):02X}" if char in "-_" else char for char in text)


@pytest.mark.parametrize("encode", [str, percent_all], ids=["as it is", "percent-encoded"])
def test_basic_parts_may_be_encoded_or_not(memory: Memory, encode: Callable[[str], str]) -> None:
    """TK3."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", memory.client.client_id + memory.secret)
    assert memory.ask(None, basic(memory.client.client_id, memory.secret, encode)).status == 200


def test_a_secret_in_the_form_is_as_good(memory: Memory) -> None:
    form = {"grant_type": "client_credentials", "client_id": memory.client.client_id, "client_secret": memory.secret}
    assert post(form).status == 200


@pytest.mark.parametrize(
    "line",
    [
        "Basic", "Basic ", "Basic !!!!", "Basic YQ==\x01", "Basic Y!Q==", "Basic YQ", "Basic YTpi YTpi", "Bearer abc",
        "Basic bm9jb2xvbg==",  # no colon
        "Basic YQA6Yg==",  # NUL in the id
        "Basic YTpiAA==",  # NUL in the secret
        "Basic YTpiCg==",  # a line end
        "Basic w6k6Yg==",  # é, which is no VSCHAR
        "Basic /zr/",  # no UTF-8
        "Basic YTolJQ==",  # a percent sign that begins nothing
    ],
)  # fmt: skip
def test_what_cannot_be_read_as_basic_is_a_failed_authentication(memory: Memory, line: str) -> None:
    """TK4."""
    assert refused(memory.ask(None, ("authorization", line)), "invalid_client", 401)


def other_secret() -> str:
    return generate("lk", SecretKind.CLIENT).text


@pytest.mark.parametrize("in_form", [False, True], ids=["basic", "post"])
def test_every_reason_not_to_let_a_client_in_reads_the_same(memory: Memory, in_form: bool) -> None:
    """TK5."""
    own_id = memory.client.client_id
    (facts,) = memory.client.secrets
    ended = ClientSecretFacts(facts.secret_id, facts.digest, 1.0)
    right, wrong = (own_id, memory.secret), (own_id, other_secret())
    cases: list[tuple[tuple[str, str], dict[str, Any], bool]] = [
        (wrong, {}, False),
        ((client_id(), memory.secret), {}, False),
        (("api_1", memory.secret), {}, False),
        ((own_id, generate("lk", SecretKind.LIVE).text), {}, False),
        ((own_id, memory.secret[:-1] + "-"), {}, False),
        (right, {"is_disabled": True}, False),
        (right, {"is_revoked": True}, False),
        (right, {"is_compromised": True}, False),
        (right, {"secrets": (ended,)}, False),
        (right, {"secrets": ()}, False),
        (right, {}, True),
    ]
    told = set()
    for (name, secret), facts_now, is_suspended in cases:
        usual = memory.client
        memory.change_client(**facts_now)
        memory.change(organization_name("org_1"), is_suspended=is_suspended)
        header = () if in_form else (basic(name, secret),)
        form = {"grant_type": "client_credentials"} | ({"client_id": name, "client_secret": secret} if in_form else {})
        reply = post(form, *header)
        assert refused(reply, "invalid_client", 401)
        told.add((reply.body, tuple(header for header in reply.headers if header[0] != "x-request-id")))
        memory.client = usual
        memory.change_client()
        memory.change(organization_name("org_1"), is_suspended=False)
    assert len(told) == 1
    assert reply["www-authenticate"] == 'Basic realm="Latchkey", charset="UTF-8"'


def test_no_credentials_at_all_are_a_failed_authentication(memory: Memory) -> None:
    for form in (None, {"grant_type": "client_credentials", "client_id": memory.client.client_id}):
        assert refused(post(form), "invalid_client", 401)


def test_two_ways_to_authenticate_are_one_too_many(memory: Memory) -> None:
    """TK6."""
    own_id = memory.client.client_id
    for more in (
        {"client_secret": memory.secret},
        {"client_id": own_id, "client_secret": memory.secret},
        {"client_assertion": "a.b.c"},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
        {"client_id": client_id()},
    ):
        assert refused(memory.ask({"grant_type": "client_credentials", **more}), "invalid_request")
    assert refused(memory.ask(None, memory.basic, memory.basic), "invalid_request")
    assert refused(post({"client_secret": memory.secret, "client_assertion": "a.b.c"}), "invalid_request")


def test_the_same_client_id_beside_basic_is_no_second_way(memory: Memory) -> None:
    """TK6."""
    assert memory.ask({"grant_type": "client_credentials", "client_id": memory.client.client_id}).status == 200


def test_an_old_secret_is_as_good_as_the_new_one_until_it_ends(memory: Memory) -> None:
    (facts,) = memory.client.secrets
    newer = ClientSecretFacts("sec_2", b"d" * 32, None)
    memory.change_client(secrets=(ClientSecretFacts(facts.secret_id, facts.digest, 4e9), newer))
    assert memory.ask().status == 200


def test_a_client_is_used_from_its_networks_alone(memory: Memory, counted: UsageRecorder) -> None:
    memory.change_client(networks=("203.0.113.0/24",))
    assert memory.ask(peer=ADDRESS).status == 200
    assert refused(memory.ask(peer="198.51.100.1"), "unauthorized_client")
    wrong = basic(memory.client.client_id, other_secret())
    assert refused(memory.ask(None, wrong, peer="198.51.100.1"), "invalid_client", 401)  # what the networks are is no
    assert {code for (_, _, code, _) in counted._open.answers} == {Code.VALID, Code.IP_DENIED}  # stranger's to learn


def test_each_use_of_a_right_secret_is_counted_for_it_and_no_other(memory: Memory, counted: UsageRecorder) -> None:
    memory.ask(None, memory.basic, ("user-agent", "curl/8"), peer=ADDRESS)
    memory.ask({"grant_type": "client_credentials", "scope": "nothing"}, peer=ADDRESS)
    memory.ask(None, basic(memory.client.client_id, other_secret()))
    memory.change_client(is_disabled=True)
    memory.ask(peer=ADDRESS)
    own_id = memory.client.client_id
    assert {key: usage_count.count for key, usage_count in counted._open.answers.items()} == {
        (own_id, "sec_1", Code.VALID, ADDRESS): 1,
        (own_id, "sec_1", Code.INSUFFICIENT_SCOPE, ADDRESS): 1,
        (own_id, "sec_1", Code.DISABLED, ADDRESS): 1,
    }
    assert counted._open.answers[own_id, "sec_1", Code.VALID, ADDRESS].agent == b"curl/8"


def test_failures_are_slowed_down_by_client_and_address_and_never_the_owner(memory: Memory) -> None:
    """TK15."""
    wrong = basic(memory.client.client_id, other_secret())
    for _ in range(BURST):
        assert refused(memory.ask(None, wrong, peer=ADDRESS), "invalid_client", 401)
    slowed = memory.ask(None, wrong, peer=ADDRESS)
    assert refused(slowed, "invalid_client", 429)
    assert 0 < int(slowed["retry-after"]) <= EACH_S
    assert memory.ask(peer=ADDRESS).status == 200  # the owner, at the very same address
    assert refused(memory.ask(None, wrong, peer="198.51.100.1"), "invalid_client", 401)
    assert refused(memory.ask(None, basic(client_id(), memory.secret), peer=ADDRESS), "invalid_client", 401)


def test_failures_from_one_ipv6_network_are_counted_together(memory: Memory) -> None:
    wrong = basic(memory.client.client_id, other_secret())
    told = [memory.ask(None, wrong, peer=f"2001:db8::{number:x}").status for number in range(BURST + 1)]
    assert told == [401] * BURST + [429]
    assert memory.ask(None, wrong, peer="2001:db8:0:1::1").status == 401


def test_failures_are_forgotten_in_time_and_never_pile_up() -> None:
    failures = Failures()
    assert [failures.note(("client_1", ""), now=100.0) for _ in range(BURST + 1)] == [0] * BURST + [6]
    assert failures.note(("client_1", ""), now=100.0 + EACH_S) == 0
    for number in range(10_100):
        failures.note((str(number), ""), now=200.0)
    assert len(failures._forgotten_at) == 10_000


def test_of_what_is_no_clients_id_nothing_is_kept(memory: Memory) -> None:
    for number in range(3):
        form = {"grant_type": "client_credentials", "client_id": f"{number}" * 50_000, "client_secret": "x"}
        assert refused(post(form), "invalid_client", 401)
    assert [name for name, _ in server().clients._failures._forgotten_at] == [""]


def test_a_client_that_was_disabled_before_gets_nothing(memory: Memory) -> None:
    assert memory.ask().status == 200
    memory.change_client(is_disabled=True)
    assert refused(memory.ask(), "invalid_client", 401)
    del memory.snapshots[client_name(memory.client.client_id)]
    assert refused(memory.ask(), "invalid_client", 401)
