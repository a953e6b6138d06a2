"""From sign-up to a revoked key, as a person and their backend see it."""

import contextlib
import re

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from keys.rules.scope_choice import ScopeInfo, picker
from tests.journeys.conftest import Inspector
from tests.support.backend import Backend
from tests.support.canary import Canary
from tests.support.live import Live

PASSWORD = "a few words to remember"
ADDRESS = "ines@example.com"
VERBS = ("read", "write", "delete")


@pytest.mark.axe
def test_from_sign_up_to_a_revoked_key(
    page: Page, portal: Live, backend: Backend, inspector: Inspector, canary: Canary
) -> None:
    sign_up(page, portal, inspector)
    secret = create_a_key(page, inspector)
    canary.remember(secret)
    nobody_sees_it_twice(page, secret)
    is_seen_working(page, backend, secret, inspector)
    successor = roll_with_an_hour(page, inspector)
    canary.remember(successor)
    both_work_and_the_page_shows_the_old_ones_last_use(page, backend, secret, successor, inspector)
    end_the_overlap(page, backend, secret, successor)
    revoke(page, backend, successor, inspector)
    activity_shows_each_step(page, inspector)
    canary.remember(backend.api_secret)
    assert not canary.is_in(portal.log)
    assert not canary.is_in(portal.tables())


def sign_up(page: Page, portal: Live, inspector: Inspector) -> None:
    page.goto("/")
    inspector.look(page, "landing")
    page.goto("/accounts/signup/")
    inspector.look(page, "sign-up")
    page.get_by_label("E-mail address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    inspector.look(page, "verify")
    page.get_by_label("Code").fill(portal.mailed_code(ADDRESS))
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/app/"))
    inspector.look(page, "welcome")


def create_a_key(page: Page, inspector: Inspector) -> str:
    page.goto("/app/keys/")
    inspector.look(page, "keys-empty")
    page.goto("/app/keys/new/")
    inspector.look(page, "key-new-api")
    page.get_by_role("link", name="Orders").click()
    page.get_by_label("Name", exact=True).fill("checkout-prod")
    page.get_by_role("radio", name=re.compile("Custom")).check(force=True)
    inspector.look(page, "key-new")
    chooses_among_many_scopes(page, inspector)
    adds_a_limit(page, inspector)
    orders = page.get_by_role("group", name="orders", exact=True)
    orders.get_by_role("radio", name=re.compile("Write")).check(force=True)  # orders:read with it
    page.get_by_role("radio", name=re.compile("30 days")).check(force=True)
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", name="Save your key")).to_be_visible()
    inspector.look(page, "key-created")
    secret = page.locator("#secret-text").inner_text().strip()
    assert re.fullmatch(r"lk_live_[0-9A-Za-z]{38}", secret)
    page.get_by_role("button", name=re.compile("Send a test request")).click()
    expect(page.locator("#test-answer")).to_contain_text('"VALID"')
    expect(page.locator("#test-answer").get_by_role("status")).to_have_text(re.compile(r"^VALID · \d+ ms$"))
    page.get_by_text("The whole answer").click()
    inspector.look(page, "key-tested")
    way_on = page.get_by_role("link", name="I have saved it")
    expect(way_on).not_to_have_class(re.compile("btn--primary"))
    way_on.click()
    page.get_by_role("button", name="Copy key", exact=True).click()
    expect(page.locator("[data-secret-guard]").locator("visible=true")).to_have_count(0)
    expect(way_on).to_be_focused()
    expect(way_on).to_have_class(re.compile("btn--primary"))
    return secret


def chooses_among_many_scopes(page: Page, inspector: Inspector) -> None:
    """The picker as an API of many scopes draws it, in the place of the one of Orders."""
    scopes = [ScopeInfo(f"{name}:{verb}") for name in ("orders", *(f"stock-{n}" for n in range(12))) for verb in VERBS]
    drawn = render_to_string("keys/_scope_picker.html", {"picker": picker(scopes, ["stock-3:write", "stock-3:delete"])})
    page.locator(".scopes-picker").evaluate("(box, html) => { box.outerHTML = html; }", drawn)
    groups, orders = page.locator("[data-scope-line]"), page.get_by_role("group", name="orders", exact=True)
    expect(groups.locator("visible=true")).to_have_count(1)
    inspector.look(page, "scopes-folded")
    page.get_by_label("Find scopes").fill("ORD ers")
    page.get_by_label("Find scopes").press("Enter")  # sends nothing
    expect(page.get_by_text("1 of 13 match")).to_be_visible()
    expect(groups.locator("visible=true")).to_have_count(1)
    page.get_by_role("button", name="Read all").click()
    expect(orders.get_by_role("radio", name="Read")).to_be_checked()
    page.get_by_label("Find scopes").fill("")
    expect(groups.locator("visible=true")).to_have_count(13)
    expect(page.get_by_role("radio", name="Read").and_(page.locator(":checked"))).to_have_count(1)
    inspector.look(page, "scopes-unfolded")
    page.get_by_role("button", name="Clear").click()
    expect(groups.locator("[type=checkbox]:checked, [type=radio]:not([value='']):checked")).to_have_count(0)


def adds_a_limit(page: Page, inspector: Inspector) -> None:
    page.get_by_text("Restrict further").click()
    limits, add = page.get_by_role("group", name="Rate limits"), page.get_by_role("button", name="Add a limit")
    expect(limits.get_by_label(re.compile("Requests"))).to_have_count(4)
    expect(limits.get_by_label(re.compile("Requests")).locator("visible=true")).to_have_count(1)
    for number in (2, 3, 4):
        add.click()
        expect(limits.get_by_label(f"Requests {number}")).to_be_focused()
    expect(add).to_be_hidden()  # four are the most
    inspector.look(page, "limits-added")


def nobody_sees_it_twice(page: Page, secret: str) -> None:
    page.get_by_role("link", name="I have saved it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("checkout-prod")
    is_nowhere(page, secret)
    for step in (page.go_back, page.reload):  # Chromium may ask before it sends the form again, and shows no page then
        with contextlib.suppress(PlaywrightError):
            step()
        expect(page.locator("html")).not_to_contain_text(secret)
        expect(page.locator("#secret-text, a[href^='data:']")).to_have_count(0)
    page.goto("/app/keys/")
    is_nowhere(page, secret)
    expect(page.get_by_role("link", name="checkout-prod", exact=True)).to_have_count(1)


def is_nowhere(page: Page, secret: str) -> None:
    stored = page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, history.state, location.href, document.cookie])"
    )
    assert secret not in page.content() + stored


def is_seen_working(page: Page, backend: Backend, secret: str, inspector: Inspector) -> None:
    verdict = backend.validate(secret, scopes=["orders:read"])
    assert (verdict["valid"], verdict["code"]) == (True, "VALID")
    page.goto("/app/keys/")
    inspector.look(page, "keys")
    page.get_by_role("link", name="checkout-prod").first.click()
    inspector.look(page, "key")
    page.locator(".chart svg[tabindex]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chart figcaption")).to_contain_text("Today so far: ")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chart figcaption")).to_contain_text(": no data")
    page.keyboard.press("Tab")
    expect(page.locator(".chart figcaption")).to_contain_text("peak")


def roll_with_an_hour(page: Page, inspector: Inspector) -> str:
    page.get_by_role("link", name="Roll").first.click()
    inspector.look(page, "roll")
    page.get_by_role("radio", name=re.compile("1 hour|In an hour")).check(force=True)
    page.get_by_role("button", name=re.compile("Roll")).click()
    expect(page.locator("#secret-text")).to_be_visible()
    inspector.look(page, "rolled")
    return page.locator("#secret-text").inner_text().strip()


def both_work_and_the_page_shows_the_old_ones_last_use(
    page: Page, backend: Backend, old: str, new: str, inspector: Inspector
) -> None:
    assert backend.validate(old)["code"] == backend.validate(new)["code"] == "VALID"
    page.get_by_role("button", name="Copy API key").click()
    page.get_by_role("link", name="I have saved it").click()
    expect(page.locator("#overlap")).to_contain_text(re.compile("last used", re.IGNORECASE))
    inspector.look(page, "overlap")


def end_the_overlap(page: Page, backend: Backend, old: str, new: str) -> None:
    page.get_by_role("button", name="End now").click()
    expect(page.locator("#overlap").get_by_role("button", name="End now")).to_have_count(0)
    assert backend.validate(old)["code"] == "SUPERSEDED"
    assert backend.validate(new)["code"] == "VALID"


def revoke(page: Page, backend: Backend, secret: str, inspector: Inspector) -> None:
    page.get_by_role("link", name="Revoke").first.click()
    inspector.look(page, "revocation")
    page.get_by_role("radio", name=re.compile("no longer used")).check(force=True)
    page.get_by_label(re.compile("name", re.IGNORECASE)).fill("checkout-prod")
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("This key is revoked.").first).to_be_visible()  # the dialog speaks of refused requests, too
    assert backend.validate(secret)["code"] == "REVOKED"
    inspector.look(page, "key-revoked")


def activity_shows_each_step(page: Page, inspector: Inspector) -> None:
    page.goto("/app/activity/")
    inspector.look(page, "activity")
    shown = page.locator("main").inner_text().lower()
    for step in ("created the key", "rolled", "ended", "revoked"):
        assert step in shown
    page.goto("/docs/")
    inspector.look(page, "docs")
