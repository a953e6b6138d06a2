"""A team at work: invited, employed, demoted, removed, and bound by policies. The newcomer's browser runs no script."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Inspector
from tests.support.backend import Backend
from tests.support.live import Live
from tests.support.people import make_person

PASSWORD = "nine battered kettles of tea"
ADA, BEN = "ada.team@example.com", "ben.team@example.com"


@pytest.fixture
def api(portal: Live, demo: dict[str, Any]) -> dict[str, str]:
    """An API: its id, and the secret of its backend."""
    for address in (ADA, BEN):
        make_person(portal, address, PASSWORD)
    api: dict[str, str] = demo["api"]
    return api


def sign_in(page: Page, address: str) -> None:
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_invited_employed_demoted_removed_and_the_key_goes_on(
    page: Page, page_without_scripts: Page, portal: Live, inspector: Inspector, api: dict[str, str]
) -> None:
    ben, backend = page_without_scripts, Backend(portal.url, api["secret"])
    page.goto("/accounts/login/?next=/app/team/")
    sign_in(page, ADA)
    invite(page, inspector)
    join(ben, portal.mailed_link(BEN))
    secret = create_key(ben, api["id"])
    assert backend.validate(secret)["code"] == "VALID"
    demote(page, inspector)
    ben.goto("/app/keys/new/")
    expect(ben.get_by_role("heading", name="Your role does not allow this")).to_be_visible()
    remove(page, inspector)
    assert backend.validate(secret)["code"] == "VALID"
    ben.goto("/app/team/")
    expect(ben.get_by_text(ADA)).to_have_count(0)
    tighten_policies(page, inspector, api["id"])
    assert backend.validate(secret)["code"] == "VALID"


def invite(page: Page, inspector: Inspector) -> None:
    page.get_by_role("link", name="Invite people").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("E-mail addresses").fill(f"{BEN}, nobody")
    dialog.get_by_role("button", name="Send invitations").click()
    expect(dialog.get_by_text("nobody: Enter a valid email address.")).to_be_visible()
    expect(dialog.get_by_label("E-mail addresses")).to_be_focused()
    inspector.look(page, "team-invite")
    dialog.get_by_label("E-mail addresses").fill(BEN)
    dialog.get_by_role("button", name="Send invitations").click()
    expect(page.get_by_role("cell", name=BEN)).to_be_visible()
    inspector.look(page, "team-invitations")


def join(ben: Page, link: str) -> None:
    ben.goto(link)
    expect(ben).to_have_url(re.compile("/invited/$"))
    ben.get_by_role("link", name="I have an account").click()
    sign_in(ben, BEN)
    expect(ben).to_have_url(re.compile("/invited/$"))
    ben.get_by_role("button", name="Accept").click()
    expect(ben.get_by_text("Your role here: developer")).to_be_visible()


def create_key(ben: Page, api_id: str) -> str:
    ben.goto(f"/app/keys/new/?api={api_id}")
    ben.get_by_label("Name", exact=True).fill("nightly")
    ben.get_by_role("button", name="Create key").click()
    return ben.locator("#secret-text").inner_text().strip()


def demote(page: Page, inspector: Inspector) -> None:
    page.goto("/app/team/")
    inspector.look(page, "team-members")
    row, dialog = page.get_by_role("row").filter(has_text=BEN), page.get_by_role("dialog")
    row.get_by_label("Actions for").click()
    row.get_by_role("link", name="Change role").click()
    dialog.get_by_label("Viewer").check()
    dialog.get_by_role("button", name="Save role").click()
    expect(row).to_contain_text("Viewer")


def remove(page: Page, inspector: Inspector) -> None:
    row, dialog = page.get_by_role("row").filter(has_text=BEN), page.get_by_role("dialog")
    row.get_by_label("Actions for").click()
    row.get_by_role("link", name="Remove").click()
    expect(dialog).to_contain_text("nightly")
    dialog.get_by_label("What happens to them").select_option(label=f"Hand them to {ADA}")
    inspector.look(page, "team-removal")
    dialog.get_by_role("button", name="Remove member").click()
    expect(page.get_by_text("now owns 1 API key")).to_be_visible()


def tighten_policies(page: Page, inspector: Inspector, api_id: str) -> None:
    page.goto("/app/settings/policies/")
    page.get_by_label("Longest key lifetime").fill("7")
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("heading", name="1 existing key breaks")).to_be_visible()
    page.get_by_role("button", name="Save policies").click()
    expect(page.get_by_role("link", name="nightly")).to_be_visible()
    inspector.look(page, "team-policies")
    page.goto(f"/app/keys/new/?api={api_id}")
    expect(page.get_by_label(re.compile("^7 days"))).to_be_checked()
    expect(page.get_by_label("30 days")).to_be_disabled()
    reason = "limits keys to 7 days from their newest secret. You can change this in Policies."
    expect(page.get_by_role("group", name="Expires")).to_contain_text(reason)
