"""Getting in, and back in: passwords, mailed links, second steps; and pages that say no."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.conftest import WIDTHS, Inspector
from tests.support.backend import Backend
from tests.support.canary import Canary
from tests.support.live import Live
from tests.support.people import make_person
from tests.support.totp import code_of

ADDRESS = "mara@example.com"
PASSWORD = "one of the first words"
SECOND = "another of the first words"
THIRD = "the last of all the words"


def test_getting_in_and_back_in(page: Page, portal: Live, inspector: Inspector) -> None:
    make_person(portal, ADDRESS, PASSWORD)
    is_told_that_a_password_is_wrong(page, inspector)
    signs_in(page, PASSWORD)
    sees_pages_that_say_no(page, inspector)
    sees_times_in_the_zone_of_the_browser_until_another_is_chosen(page, inspector)
    changes_the_password(page, inspector)
    seed, codes = sets_up_a_second_step(page)
    signs_out(page, inspector)
    resets_the_password_by_mail(page, portal, inspector)
    signs_in(page, THIRD)
    passes_the_second_step(page, inspector, codes[0])
    switches_the_theme(page)
    for text in (portal.log, portal.tables()):
        assert not [secret for secret in (PASSWORD, SECOND, THIRD, seed, *codes) if secret in text]


def is_told_that_a_password_is_wrong(page: Page, inspector: Inspector) -> None:
    page.goto("/accounts/login/")
    inspector.look(page, "sign-in")
    signs_in(page, "not the password")
    expect(page.locator(".summary")).to_be_focused()
    inspector.look(page, "sign-in-wrong")


def signs_in(page: Page, password: str) -> None:
    if "/accounts/login/" not in page.url:
        page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def sees_pages_that_say_no(page: Page, inspector: Inspector) -> None:
    expect(page).to_have_url(re.compile("/app/"))
    inspector.expected += ["403", "404"]
    page.goto("/app/keys/key_0000000000000000000000/")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    inspector.look(page, "not-found")
    page.goto("/admin/")
    expect(page.get_by_role("heading", level=1)).to_have_text("You cannot open this page")
    inspector.look(page, "forbidden")


def sees_times_in_the_zone_of_the_browser_until_another_is_chosen(page: Page, inspector: Inspector) -> None:
    browser = page.context.new_cdp_session(page)
    browser.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
    created = page.locator("time[data-exact]")
    page.goto("/app/settings/")
    told, in_utc = created.inner_text(), (created.get_attribute("datetime") or "")[11:16]
    assert re.search(rf", \d\d:\d\d \((\w{{3}} )?{in_utc} UTC\)$", told)
    page.goto("/accounts/profile/")
    page.get_by_label("Name").fill("Mara Nováková")
    page.get_by_label("Time zone").select_option("Kathmandu")
    page.get_by_label("Compact").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()
    inspector.look(page, "profile-saved")
    page.set_viewport_size(WIDTHS["phone"])
    for tab in page.get_by_role("navigation", name="Account").get_by_role("link").all():
        expect(tab).to_be_in_viewport(ratio=1)
    page.set_viewport_size(WIDTHS["wide"])
    browser.send("Emulation.setTimezoneOverride", {"timezoneId": "America/New_York"})
    page.goto("/app/settings/")
    expect(created).to_have_text(told)


def changes_the_password(page: Page, inspector: Inspector) -> None:
    page.goto("/accounts/password/change/")
    inspector.look(page, "password")
    page.get_by_label("Present password", exact=True).fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_label("New password again", exact=True).fill("short")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".summary")).to_be_focused()
    inspector.look(page, "password-refused")
    page.get_by_label("Present password", exact=True).fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(SECOND)
    page.get_by_label("New password again", exact=True).fill(SECOND)
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".callout")).to_contain_text(re.compile("password", re.IGNORECASE))


def sets_up_a_second_step(page: Page) -> tuple[str, list[str]]:
    page.goto("/accounts/2fa/totp/activate/")
    page.get_by_text("Enter it by hand instead").click()
    seed = page.locator("#setup-key").inner_text().strip()
    page.get_by_label("6\u2011digit code").fill(code_of(seed))
    page.get_by_role("button", name="Turn on").click()
    codes = [line.strip() for line in page.locator("#recovery-codes li").all_inner_texts()]
    page.get_by_role("button", name="Copy the recovery codes").click()
    return seed, codes


def signs_out(page: Page, inspector: Inspector) -> None:
    page.goto("/accounts/logout/")
    inspector.look(page, "sign-out")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.goto("/app/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def resets_the_password_by_mail(page: Page, portal: Live, inspector: Inspector) -> None:
    page.goto("/accounts/password/reset/")
    inspector.look(page, "reset")
    page.get_by_label("E-mail address").fill(ADDRESS)
    page.get_by_role("button", name="Send the link").click()
    inspector.look(page, "reset-sent")
    link = portal.mailed_link(ADDRESS)
    page.goto(link)
    inspector.look(page, "reset-choose")
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_label("New password again", exact=True).fill("short")
    page.get_by_role("button", name="Change password").click()
    inspector.look(page, "reset-refused")
    page.get_by_label("New password", exact=True).fill(THIRD)
    page.get_by_label("New password again", exact=True).fill(THIRD)
    page.get_by_role("button", name="Change password").click()
    inspector.look(page, "reset-done")
    page.goto(link)
    inspector.look(page, "reset-used")


def passes_the_second_step(page: Page, inspector: Inspector, code: str) -> None:
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    inspector.look(page, "second-step")
    page.get_by_label("Code or recovery code").fill("000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("[aria-invalid=true]")).to_be_focused()
    inspector.look(page, "second-step-wrong")
    page.get_by_label("Code or recovery code").fill(code)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile("/app/"))


def switches_the_theme(page: Page) -> None:
    page.locator(".sidebar__foot summary").click()
    with page.expect_response("**/theme/"):
        page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_everything_works_without_a_script(
    page_without_scripts: Page, portal: Live, backend: Backend, canary: Canary
) -> None:
    page, address = page_without_scripts, "nora@example.com"
    page.goto("/accounts/signup/")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_label("Code").fill(portal.mailed_code(address))
    page.get_by_role("button", name="Continue").click()

    page.goto("/app/keys/new/")
    page.get_by_role("link", name="Orders").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("orders-1")
    page.get_by_role("button", name="Create key").click()
    old = page.locator("#secret-text").inner_text().strip()
    assert backend.validate(old)["code"] == "VALID"

    page.get_by_role("link", name="I have saved it").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="is paused")).to_be_visible()
    assert backend.validate(old)["code"] == "DISABLED"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="works again")).to_be_visible()
    assert backend.validate(old)["code"] == "VALID"

    page.get_by_role("link", name="Roll").click()
    page.get_by_role("button", name="Roll key").click()
    new = page.locator("#secret-text").inner_text().strip()
    page.get_by_role("link", name="I have saved it").click()
    expect(page.locator("#overlap")).to_contain_text("in 24 h")
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_role("button", name="End now")).to_have_count(0)
    assert (backend.validate(old)["code"], backend.validate(new)["code"]) == ("SUPERSEDED", "VALID")

    page.goto("/app/keys/")
    page.get_by_label("Search").fill("orders")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("link", name="Actions for orders-1").click()
    page.get_by_role("link", name="Revoke").click()
    page.get_by_label(re.compile("Type the name")).fill("orders-1")
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("This key is revoked.").first).to_be_visible()
    assert backend.validate(new)["code"] == "REVOKED"
    for secret in (old, new):
        canary.remember(secret)
    assert not canary.is_in(portal.log + portal.tables())
