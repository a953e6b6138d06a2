"""What a client's page gives to paste works as it is, and keeps other people's words from being code."""

import ast
import json
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from keys.models import Api, Environment
from keys.services.apis import ApiSettings, create_api
from oauth.models import Client
from oauth.pages import snippets
from oauth.protocol import jwk
from oauth.replays import OwnReplays
from oauth.services.clients import ClientSettings, IssuedClient, create_client
from portal.audit import COMMAND
from portal.models import Organization
from portal.ui.highlighting import highlight
from tests.support.hot_path import using
from tests.support.oauth.memory import post

HOSTILE_KID = """k"}); import os; os.system('x'); ({"é😀\\"""
HOSTILE_AUDIENCE = """urn:x;touch${IFS}pwned&'"$(id)`id`\\"""


def made(organization: Organization, api: Api, **wanted: Any) -> Client:
    wish = ClientSettings("nightly sync", **wanted)
    client = create_client(organization, wish, grants={api.public_id: []}, environment=Environment.LIVE, by=COMMAND)
    return client.credential


def text_of(client: Client, title: str) -> str:
    (text,) = [each.text for each in snippets.with_variable(client) if each.title == title]
    return text


def strings(python: str) -> list[object]:
    """Every constant of a program, which has to be one."""
    return [node.value for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Constant)]


@pytest.fixture
def hostile_api(db: None) -> Api:
    """An API whose identifier means something to shells."""
    return create_api(HOSTILE_AUDIENCE, ApiSettings("Hostile", {}), by=COMMAND).api


@pytest.mark.django_db(transaction=True)
def test_a_client_with_a_key_of_its_own_gets_a_token_by_what_is_pasted(
    acme: Organization, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = jwk.generate("ES256")
    client = made(acme, api, public_keys=[{**pair.public, "kid": HOSTILE_KID}])
    private = jwk.load_private(pair.private).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "private.pem").write_bytes(private)
    monkeypatch.chdir(tmp_path)

    def send(url: str, *, data: dict[str, str]) -> SimpleNamespace:
        assert url == f"{settings.PUBLIC_URL}/oauth/token"
        return SimpleNamespace(json=lambda: post(data).json)

    monkeypatch.setitem(sys.modules, "requests", SimpleNamespace(post=send))
    names: dict[str, Any] = {}
    with using(replays=OwnReplays(born_at=0)):
        exec(text_of(client, "Python"), names)  # noqa: S102  # as pasted
    assert jwt.decode(names["token"], options={"verify_signature": False})["client_id"] == client.public_id


@pytest.mark.django_db
def test_a_kid_stays_data(acme: Organization, api: Api) -> None:
    client = made(acme, api, public_keys=[{**jwk.generate("ES256").public, "kid": HOSTILE_KID}])
    assert HOSTILE_KID in strings(text_of(client, "Python"))


@pytest.mark.django_db
def test_an_identifier_stays_data_in_every_language(acme: Organization, hostile_api: Api) -> None:
    client = made(acme, hostile_api)
    assert shlex.split(text_of(client, "curl"))[-2:] == ["--data-urlencode", f"audience={HOSTILE_AUDIENCE}"]
    assert HOSTILE_AUDIENCE in strings(text_of(client, "Python"))
    keyed = made(acme, hostile_api, public_keys=[jwk.generate("ES256").public])
    assert HOSTILE_AUDIENCE in strings(text_of(keyed, "Python"))
    for title in ("Node", "Go"):
        (line,) = [each for each in text_of(client, title).splitlines() if "audience" in each]
        literal = line[line.index('"', line.index(":")) : line.rindex('"') + 1]
        assert json.loads(literal) == HOSTILE_AUDIENCE


@pytest.mark.django_db
def test_a_new_clients_page_and_its_own_tell_the_same_languages(issued: IssuedClient) -> None:
    new = {each.title: each for each in snippets.with_secret(issued.credential, issued.secret_text)}
    for title in ("curl", "Python", "Node", "Go"):
        shown = HTMLParser(highlight(new[title].text, new[title].language, conceal=issued.secret_text))
        assert [node.text() for node in shown.css(".concealed")] == [issued.secret_text]
        assert issued.secret_text not in text_of(issued.credential, title)
        assert "access_token" in new[title].text or title == "curl"
