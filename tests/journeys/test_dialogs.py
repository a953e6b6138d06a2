"""What opens above a page: where focus goes, what closes it, and that a secret shown there leaves no trace."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.conftest import Inspector
from tests.support.backend import Backend
from tests.support.canary import Canary
from tests.support.live import Live

HIGHEST_ROW = "Math.max(...[...document.querySelectorAll('tbody tr')].map((row) => row.offsetHeight))"
BARS_OUTSIDE_THEIR_CELL = """[...document.querySelectorAll(".minibars path")].filter((bars) => {
  const [drawn, svg, cell] = [bars, bars.parentElement, bars.closest("td")].map((each) => each.getBoundingClientRect());
  return drawn.right > svg.right || drawn.left < svg.left || svg.right > cell.right;
}).length"""


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
    page.get_by_label("Name 1", exact=True).fill("long")
    page.get_by_label("Value 1", exact=True).fill("L" * 300)
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
    expect(page.locator("[data-secret-guard]").first).to_be_focused()
    expect(page.get_by_role("button", name="Copy key", exact=True)).to_be_in_viewport()
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
def test_a_rows_menu_opens_where_its_link_stands_and_its_actions_leave_the_list(
    page: Page, inspector: Inspector, canary: Canary
) -> None:
    undo_a_pause_on_the_keys_page(page, inspector)
    page.goto("/app/keys/?status=Active")
    address = page.url
    name = page.locator("td.cell-main > a").first.inner_text()
    row, link = page.locator("tbody tr").first, page.get_by_role("link", name=name, exact=True)
    page.get_by_role("link", name=f"Actions for {name}").press("Enter")
    menu = page.locator("details.menu[open]")
    expect(menu.locator("summary")).to_be_focused()
    assert [item.strip() for item in menu.locator("a, button").all_inner_texts()] == ["Roll", "Pause", "Edit", "Revoke"]
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    page.keyboard.press("Enter")
    inspector.look(page, "keys-menu")
    menu.get_by_role("button", name="Pause").press("Enter")
    expect(row).to_contain_text("Paused")
    expect(page.locator("caption")).to_have_text(re.compile(r"^\d+ shown, (1 key matches|\d+ keys match)$"))
    expect(link).to_be_focused()
    inspector.look(page, "keys-paused")
    page.get_by_role("button", name="Undo").press("Enter")
    expect(row).to_contain_text("Active")
    expect(link).to_be_focused()

    dialog = page.get_by_role("dialog")
    open_menu(page, name).get_by_role("link", name="Roll").press("Enter")
    expect(dialog.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(row.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    menu.get_by_role("link", name="Roll").press("Enter")
    dialog.get_by_role("button", name="Roll key").click()
    canary.remember(page.locator("#secret-text").inner_text().strip())
    leave_the_secret(page)
    expect(row).to_contain_text("Retiring")
    expect(link).to_be_focused()

    open_menu(page, name).get_by_role("link", name="End or extend").click()
    inspector.look(page, "dialog-overlap")
    dialog.get_by_role("button", name="End now").click()
    expect(row).to_contain_text("Active")
    expect(dialog).to_be_hidden()
    open_menu(page, name).get_by_role("link", name="Revoke").click()
    dialog.get_by_role("radio", name=re.compile("no longer used")).check(force=True)
    typed = dialog.get_by_label(re.compile("name", re.IGNORECASE))
    if typed.count():
        typed.fill(name)
    dialog.get_by_role("button", name="Revoke key").click()
    expect(row).to_contain_text("Revoked")
    expect(link).to_be_focused()
    expect(page.get_by_role("region", name="Notifications")).to_contain_text("is revoked")
    assert page.url == address


def undo_a_pause_on_the_keys_page(page: Page, inspector: Inspector) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="is paused")).to_be_visible()
    inspector.look(page, "key-paused")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="works again")).to_be_visible()


def open_menu(page: Page, name: str) -> Locator:
    page.get_by_role("link", name=f"Actions for {name}").click()
    return page.locator("details.menu[open]")


def leave_the_secret(page: Page) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="I have saved it").click()
    dialog.get_by_role("link", name="Leave without it").click()  # asked once, because the secret was not copied
    expect(dialog).to_be_hidden()


@pytest.mark.usefixtures("key_page")
def test_a_list_shows_one_line_a_row_all_bars_and_its_headers(page: Page) -> None:
    page.goto("/app/keys/")
    for width in (1440, 1280, 1024, 900):
        page.set_viewport_size({"width": width, "height": 700})
        outside, highest = page.evaluate(BARS_OUTSIDE_THEIR_CELL), page.evaluate(HIGHEST_ROW)
        assert (outside, highest <= 56) == (0, True), width
    page.set_viewport_size({"width": 1280, "height": 400})
    page.get_by_role("link", name="Name", exact=True).press("Enter")
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    expect(page).to_have_url(re.compile(r"\?sort=name$"))
    expect(page.get_by_role("link", name="Name", exact=True)).to_be_focused()
    page.get_by_text("Filters").click()
    page.get_by_label("Sort by").press("Tab")  # the panel would cover what has the focus now
    expect(page.get_by_label("Sort by")).to_be_hidden()
    page.locator("tbody time, tbody .minibars").last.click(force=True)  # any place in a row leads to its page
    expect(page).to_have_url(re.compile("/app/keys/key_"))
    page.go_back()
    page.set_viewport_size({"width": 360, "height": 780})
    page.get_by_text("Filters").click()
    page.get_by_label("Status", exact=True).dispatch_event("click")  # drawn in the panel, which stays open
    page.get_by_label("Environment").select_option("live")
    expect(page.locator("#filters-count")).to_have_text(" (1)")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Environment")).to_be_hidden()
    page.get_by_text("Filters").click()
    expect(page.locator("#filters-show")).to_have_text(re.compile(r"^Show \d+ keys?$"))
    listed = page.url
    page.mouse.click(180, 775)  # beside the panel: closes it, and opens no row below
    expect(page.get_by_label("Environment")).to_be_hidden()
    assert page.url == listed
    assert page.locator("tbody tr").first.evaluate("row => row.getBoundingClientRect().top") < 450
