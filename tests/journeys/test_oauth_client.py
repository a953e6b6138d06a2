"""A client from its creation to its last token, as a person, their program and the API behind it see it."""

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Inspector
from tests.support.backend import Backend
from tests.support.canary import Canary
from tests.support.live import Live

CURL = shutil.which("curl")


@pytest.fixture
def signed_in_member(page: Page, demo: dict[str, Any]) -> None:
    """The demo's developer has just signed in."""
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(demo["user"]["email"])
    page.get_by_label("Password", exact=True).fill(demo["user"]["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/app/"))


@pytest.mark.usefixtures("signed_in_member")
@pytest.mark.skipif(CURL is None, reason="what the page gives to paste is for curl")
def test_from_a_client_to_tokens_that_are_revoked(
    page: Page, portal: Live, backend: Backend, inspector: Inspector, canary: Canary
) -> None:
    secret, command = create_a_client(page, inspector)
    canary.remember(secret)
    token = get_a_token(command)
    assert backend.validate(token, scopes=["orders:write"])["code"] == "VALID"
    successor, newer_command = roll_with_an_hour(page, inspector)
    canary.remember(successor)
    others = [get_a_token(command), get_a_token(newer_command)]
    assert [backend.validate(each)["code"] for each in (token, *others)] == ["VALID"] * 3
    the_page_shows_both_secrets_in_use(page, inspector)
    revoke_one(page, token, inspector)
    assert [backend.validate(each)["code"] for each in (token, *others)] == ["REVOKED", "VALID", "VALID"]
    revoke_all(page, inspector)
    assert [backend.validate(each)["code"] for each in others] == ["REVOKED"] * 2
    assert backend.validate(get_a_token(newer_command))["code"] == "VALID"
    activity_tells_each_step(page, inspector)
    kept = portal.log + portal.tables()
    assert not canary.is_in(kept)
    assert not any(each.rpartition(".")[2] in kept for each in (token, *others)), "a token's signature was kept"


def create_a_client(page: Page, inspector: Inspector) -> tuple[str, str]:
    page.goto("/app/clients/")
    inspector.look(page, "clients")
    page.get_by_role("link", name="New client").click()
    page.get_by_label("Name", exact=True).fill("nightly-sync")
    page.get_by_role("checkbox", name=re.compile("Orders")).check(force=True)
    orders = page.get_by_role("group", name="orders", exact=True)
    orders.get_by_role("radio", name=re.compile("Write")).check(force=True)
    inspector.look(page, "client-new")
    page.get_by_role("button", name="Create client").click()
    expect(page.get_by_role("heading", name="Save your client secret")).to_be_visible()
    inspector.look(page, "client-created")
    return shown_once(page)


def shown_once(page: Page) -> tuple[str, str]:
    """The secret, and the command to paste; then the page that shows neither any more."""
    secret = page.locator("#secret-text").inner_text().strip()
    command = page.locator("#created-snippet-1").text_content() or ""
    page.get_by_role("button", name="Copy client secret").click()
    page.get_by_role("link", name="I have saved it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("nightly-sync")
    assert secret not in page.content()
    return secret, command


def get_a_token(command: str) -> str:
    done = subprocess.run(["bash", "-c", f"{command} --silent"], capture_output=True, text=True, check=True)  # noqa: S607  # as pasted
    token: str = json.loads(done.stdout)["access_token"]
    return token


def roll_with_an_hour(page: Page, inspector: Inspector) -> tuple[str, str]:
    inspector.look(page, "client")
    page.get_by_role("link", name="Roll").click()
    page.get_by_role("radio", name=re.compile("1 hour")).check(force=True)
    inspector.look(page, "client-roll")
    page.get_by_role("button", name="Roll client").click()
    expect(page.locator("#secret-text")).to_be_visible()
    inspector.look(page, "client-rolled")
    return shown_once(page)


def the_page_shows_both_secrets_in_use(page: Page, inspector: Inspector) -> None:
    page.reload()
    expect(page.locator("#overlap")).to_contain_text("The old secret still works")
    inspector.look(page, "client-overlap")


def revoke_one(page: Page, token: str, inspector: Inspector) -> None:
    page.get_by_label("Token or jti").fill("nonsense")
    page.get_by_role("button", name="Revoke this token").click()
    expect(page.locator(".field__error")).to_contain_text("no access token")
    inspector.look(page, "client-token-refused")
    page.get_by_label("Token or jti").fill(token)
    page.get_by_role("button", name="Revoke this token").click()
    expect(
        page.get_by_text(re.compile("is revoked. Requests with a revoked token are refused (everywhere|now)")).first
    ).to_be_visible()
    assert token not in page.content() + page.url


def revoke_all(page: Page, inspector: Inspector) -> None:
    page.get_by_role("link", name="Revoke all tokens").click()
    expect(page.get_by_role("dialog")).to_contain_text("Every token that was issued so far")
    inspector.look(page, "client-tokens-revocation")
    page.get_by_role("dialog").get_by_role("button", name="Revoke all tokens").click()
    expect(page.get_by_text(re.compile("All tokens of nightly-sync are revoked")).first).to_be_visible()


def activity_tells_each_step(page: Page, inspector: Inspector) -> None:
    page.get_by_role("link", name="Settings", exact=True).last.click()
    inspector.look(page, "client-settings")
    page.get_by_role("link", name="Edit").first.click()
    inspector.look(page, "client-edit")
    page.goto("/app/activity/")
    shown = page.locator("main").inner_text()
    for step in ("created the OAuth client", "rolled the OAuth client", "revoked a token of", "revoked all tokens of"):
        assert step in shown
