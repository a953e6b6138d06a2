"""Passkeys, with a virtual authenticator in the browser; second factors lost and recovered; sessions."""

import re

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from tests.journeys.conftest import Inspector
from tests.support.live import Live
from tests.support.people import make_person
from tests.support.totp import code_of

PASSWORD = "one of the first words"


@pytest.fixture
def authenticator(context: BrowserContext, page: Page) -> CDPSession:
    """What a laptop has: a place for passkeys, and a finger on the reader."""
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    return cdp


def plug_in(cdp: CDPSession) -> str:
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    added: str = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    return added


def test_signing_up_and_in_by_a_passkey_alone(
    page: Page, portal: Live, inspector: Inspector, authenticator: CDPSession
) -> None:
    address = "petra@example.com"
    page.goto("/accounts/signup/")
    page.get_by_role("link", name="Sign up with a passkey").click()
    inspector.look(page, "passkey-sign-up")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Code").fill(portal.mailed_code(address))
    page.get_by_role("button", name="Continue").click()
    inspector.look(page, "passkey-make")
    plugged = plug_in(authenticator)
    page.get_by_label("Name").fill("work laptop")
    page.get_by_role("button", name="Make passkey").click()
    expect(page.get_by_role("heading", name="You are in")).to_be_visible()
    inspector.look(page, "recovery-codes")
    codes = [line.strip() for line in page.locator("#recovery-codes li").all_inner_texts()]
    assert len(codes) == 10
    page.get_by_role("button", name="Copy the recovery codes").click()
    page.get_by_role("link", name="I have saved them").click()

    page.goto("/accounts/2fa/")
    expect(page.get_by_role("heading", name="work laptop")).to_be_visible()
    inspector.look(page, "security")
    for path, name in (
        ("2fa/passkeys/add/", "passkey-add"),
        ("2fa/passkeys/again/", "ask-again"),
        ("closure/", "closure"),
        ("notifications/", "notifications"),
        ("profile/", "profile"),
    ):
        page.goto(f"/accounts/{path}")
        inspector.look(page, name)
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Remove work laptop").click()
    expect(page.get_by_role("heading", name="This passkey is your only way in")).to_be_visible()
    signs_out(page)
    page.goto("/accounts/login/?next=/app/activity/")  # the finger is on the reader, and the e-mail field asks for it
    expect(page).to_have_url(re.compile("^http://[^/]+/app/activity/"))

    signs_out(page)
    lift_finger(authenticator, plugged, is_lifted=True)
    page.goto("/accounts/login/")
    inspector.look(page, "sign-in-passkey")
    lift_finger(authenticator, plugged, is_lifted=False)  # what was asked while it was lifted is never answered
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(re.compile("^http://[^/]+/app/"))
    for text in (portal.log, portal.tables()):
        assert not [code for code in codes if code in text]


def lift_finger(cdp: CDPSession, plugged: str, *, is_lifted: bool) -> None:
    cdp.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": plugged, "enabled": not is_lifted})


def signs_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()


def test_a_second_factor_that_is_lost_is_recovered(page_without_scripts: Page, portal: Live) -> None:
    page, address = page_without_scripts, "remy@example.com"
    make_person(portal, address, PASSWORD)
    signs_in(page, address)
    seed, codes = sets_up_an_app(page)
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text("10 unused")).to_be_visible()
    signs_out(page)

    signs_in(page, address)  # the phone is lost
    page.get_by_label("Code or recovery code").fill(codes[3])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile("/app/"))
    assert portal.mailed(address, r"(\d+) of them are left") == "9"
    page.goto("/accounts/2fa/")
    expect(page.get_by_text("9 unused")).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove the app").click()
    expect(page.get_by_role("status").filter(has_text="is off")).to_be_visible()
    renewed, _ = sets_up_an_app(page)
    assert renewed != seed
    signs_out(page)

    signs_in(page, address)
    page.get_by_label("Code or recovery code").fill(codes[4])  # of the lost app, and gone with it
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".field__error")).to_be_visible()
    assert not [code for code in (seed, renewed, *codes) if code in portal.log + portal.tables()]


def signs_in(page: Page, address: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sets_up_an_app(page: Page) -> tuple[str, list[str]]:
    page.goto("/accounts/2fa/totp/activate/")
    page.get_by_text("Enter it by hand instead").click()
    seed = page.locator("#setup-key").inner_text().strip()
    page.get_by_label("6\u2011digit code").fill(code_of(seed))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Your authenticator app is on")).to_be_visible()
    return seed, [line.strip() for line in page.locator("#recovery-codes li").all_inner_texts()]
