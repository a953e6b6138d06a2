"""What the docs page says is what the product does."""

import json
import re

import pytest
from django.conf import settings
from django.test import Client
from selectolax.lexbor import LexborHTMLParser

from keys.pages import backend_guide
from keys.rules.field_rules import MAX_TOKEN_LIFETIME_S, MIN_TOKEN_LIFETIME_S
from keys.rules.secret import SecretKind, generate, parse
from keys.services.keys import IssuedKey
from keys.validation.types import Code
from oauth.protocol.assertions import MAX_JTI_CHARS, MAX_LIFETIME_S, TYPES
from oauth.protocol.metadata import document
from tests.support.page import the

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> LexborHTMLParser:
    """The page, as a stranger reads it."""
    return LexborHTMLParser(client.get("/docs/").text)


def test_every_code_is_told_once_and_can_be_linked_to(page: LexborHTMLParser) -> None:
    assert sorted(guide.code for guide in backend_guide.CODES) == sorted(Code)
    for code in Code:
        assert page.css_first(f"#{code.value}")


@pytest.mark.parametrize("kind", SecretKind)
def test_the_regular_expression_and_the_checksum_are_those_of_our_secrets(
    page: LexborHTMLParser, kind: SecretKind
) -> None:
    shown = the("#checksum", page).text()
    names: dict[str, object] = {}
    exec(shown, names)  # noqa: S102  # the very text that readers copy
    looks_like_a_key = names["looks_like_a_key"]
    pattern = the("#pattern", page).text().strip()
    for _ in range(50):
        text = generate(settings.KEY_BRAND, kind).text
        typo = text[:-1] + ("0" if text[-1] != "0" else "1")
        assert looks_like_a_key(text)  # type: ignore[operator]
        assert re.fullmatch(pattern, text)
        assert parse(typo) is None
        assert not looks_like_a_key(typo)  # type: ignore[operator]


@pytest.mark.parametrize("text", ["", "lk_live_", "lk_live_" + "a" * 37, "lk_prod_" + "a" * 38, "l_live_" + "a" * 38])
def test_what_the_page_rejects_the_product_rejects(page: LexborHTMLParser, text: str) -> None:
    names: dict[str, object] = {}
    exec(the("#checksum", page).text(), names)  # noqa: S102
    assert not names["looks_like_a_key"](text)  # type: ignore[operator]
    assert parse(text) is None


def test_tokens_are_verified_by_addresses_that_answer(page: LexborHTMLParser) -> None:
    for path in ("/oauth/token", "/.well-known/jwks.json"):
        assert path in settings.HOT_PATHS
        assert f"{settings.PUBLIC_URL}{path}" in the("#tokens", page).text()


def test_what_is_told_of_clients_is_what_the_endpoints_ask_for(page: LexborHTMLParser) -> None:
    told = the("#clients", page).text()
    for words in (
        f"{MAX_LIFETIME_S // 60} minutes",
        f"{MAX_JTI_CHARS} characters",
        *TYPES,
        f"{MIN_TOKEN_LIFETIME_S} to {MAX_TOKEN_LIFETIME_S:,} seconds",
        json.dumps(json.loads(document(settings.PUBLIC_URL))["response_types_supported"]),
    ):
        assert words in told


def test_validation_is_shown_in_four_languages_at_this_installations_address(page: LexborHTMLParser) -> None:
    panels = page.css("#validate .snippets__panel")
    assert len(panels) == 4
    assert all(f"{settings.PUBLIC_URL}/v1/validate" in panel.text() for panel in panels)


def test_the_page_holds_nobodys_data(issued: IssuedKey, client: Client) -> None:
    text = client.get("/docs/").text
    assert issued.credential.public_id not in text
    assert issued.secret.hint not in text


def test_members_read_it_in_the_portals_frame_and_strangers_in_that_of_the_landing_page(
    page: LexborHTMLParser, ada_client: Client
) -> None:
    own = LexborHTMLParser(ada_client.get("/docs/").text)
    assert own.css("#sidebar [aria-current=page]")[0].text(strip=True) == "Docs"
    assert own.css(".docs__body")
    assert page.css(".docs__body")
    assert not page.css("#sidebar")


def test_each_section_is_in_the_contents_and_has_a_link_to_copy(page: LexborHTMLParser) -> None:
    sections = [f"#{section.attributes['id']}" for section in page.css(".docs__body > section")]
    assert [link.attributes["href"] for link in page.css(".docs__toc a")] == sections
    assert [link.attributes["href"] for link in page.css(".docs__anchor")] == sections


def test_one_name_is_used_for_each_secret_everywhere(page: LexborHTMLParser, client: Client) -> None:
    texts = [page.text(), client.get("/").text, (settings.BASE_DIR / "README.md").read_text()]
    for text in texts:
        assert set(re.findall(r"\$\{?([A-Z_]*(?:SECRET|KEY|TOKEN))\b", text)) <= {
            "LATCHKEY_API_SECRET",
            "LATCHKEY_API_KEY",
            "LATCHKEY_CLIENT_SECRET",
            "LATCHKEY_ACCESS_TOKEN",
        }
