"""What opens above a page: where focus goes, what closes it, and that a secret shown there leaves no trace."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Inspector
from tests.support.backend import Backend
from tests.support.canary import Canary
from tests.support.live import Live


@pytest.fixture
def key_page(page: Page, demo: dict[str, Any], demo_key: str, backend: Backend) -> str:
    """The page of a key in use, whose member has just signed in."""
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(demo["user"]["email"])
    page.get_by_label("Password", exact=True).fill(demo["user"]["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/app/"))
    credential = backend.validate(demo_key)["credential"]
    assert isinstance(credential, dict)
    page.goto(f"/app/keys/{credential['id']}/")
    return page.url


def test_no_long_word_widens_a_page(page: Page, key_page: str, inspector: Inspector, canary: Canary) -> None:
    page.goto(f"{key_page}edit/")
    page.get_by_label("Name", exact=True).fill("W" * 100)
    page.get_by_text("Restrict further").click()
    page.get_by_label("Metadata").fill(json.dumps({"long": "L" * 300}))
    page.get_by_role("button", name="Review changes").click()
    page.get_by_role("button", name="Save").click()
    page.goto(f"{key_page}settings/")
    inspector.look(page, "key-settings-long")
    page.goto(f"{key_page}roll/")
    page.get_by_role("button", name="Roll key").click()
    expect(page.get_by_role("heading", name="Save your key")).to_be_visible()
    canary.remember(page.locator("#secret-text").inner_text().strip())
    inspector.look(page, "key-rolled-long")


@pytest.mark.parametrize("name", ["Roll", "Revoke"])
@pytest.mark.usefixtures("key_page")
def test_a_dialog_takes_focus_and_gives_it_back(page: Page, inspector: Inspector, name: str) -> None:
    dialog, opener = page.get_by_role("dialog", name=re.compile(name)), page.get_by_role("link", name=name)
    ways_out: dict[str, Callable[[], None]] = {
        "Esc": lambda: page.keyboard.press("Escape"),
        "the backdrop": lambda: page.mouse.click(5, 5),
        "Cancel": lambda: dialog.get_by_role("link", name="Cancel").click(),
        "Close": lambda: dialog.get_by_role("button", name="Close").click(),
    }
    for close in ways_out.values():
        opener.click()
        expect(dialog.get_by_role("heading", level=1)).to_be_focused()
        close()
        expect(dialog).to_be_hidden()
        expect(opener).to_be_focused()
    opener.press("Enter")
    inspector.look(page, f"dialog-{name.lower()}")
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")


def test_a_secret_in_a_dialog_is_left_only_on_purpose(
    page: Page, key_page: str, inspector: Inspector, canary: Canary, portal: Live
) -> None:
    dialog = page.get_by_role("dialog")
    page.get_by_role("link", name="Roll").click()
    dialog.get_by_role("button", name="Roll key").click()
    expect(dialog.get_by_role("heading", name="Save your key")).to_be_focused()
    secret = page.locator("#secret-text").inner_text().strip()
    canary.remember(secret)
    inspector.look(page, "dialog-rolled")
    for _ in range(3):  # Chromium asks a page once, and closes at the second Esc
        page.keyboard.press("Escape")
        page.mouse.click(5, 5)
    expect(page.locator("#secret-text")).to_be_visible()

    page.get_by_role("link", name="I have saved it").click()
    expect(page.locator("[data-secret-guard]")).to_be_focused()
    inspector.look(page, "dialog-guard")
    page.get_by_role("link", name="Leave without it").click()
    expect(page.locator("#overlap")).to_be_visible()
    assert page.url == key_page
    assert secret not in page.content()
    page.go_back()
    assert secret not in page.content()
    assert not canary.is_in(portal.log)


@pytest.mark.usefixtures("key_page")
def test_a_secret_is_gone_from_a_page_that_the_browser_brings_back(page: Page) -> None:
    for event in ("pagehide", "pageshow"):
        page.get_by_role("link", name="Roll").click()
        page.get_by_role("dialog").get_by_role("button", name="Roll key").click()
        secret = page.locator("#secret-text").inner_text().strip()
        page.evaluate("name => dispatchEvent(new PageTransitionEvent(name, { persisted: true }))", event)
        assert secret not in page.content()
        page.reload()


@pytest.mark.usefixtures("key_page")
def test_a_rows_menu_opens_where_its_link_stands(page: Page, inspector: Inspector) -> None:
    page.goto("/app/keys/")
    page.get_by_role("link", name=re.compile("Actions for")).first.press("Enter")
    menu = page.locator("details.menu[open]")
    expect(menu.locator("summary")).to_be_focused()
    assert [item.strip() for item in menu.locator("a, button").all_inner_texts()] == ["Roll", "Pause", "Edit", "Revoke"]
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    page.keyboard.press("Enter")
    inspector.look(page, "keys-menu")
    menu.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="is paused")).to_be_visible()
    inspector.look(page, "key-paused")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="works again")).to_be_visible()
