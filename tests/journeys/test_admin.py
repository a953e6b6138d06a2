"""The operator's first day: an account, a second factor, an API, and the means to stop anybody."""

import re

from playwright.sync_api import Page, expect

from tests.journeys.conftest import WIDTHS, Inspector
from tests.support import live
from tests.support.backend import Backend
from tests.support.canary import Canary
from tests.support.live import Live
from tests.support.totp import code_of

ADDRESS = "root@example.com"
PASSWORD = "the operator has a long memory"


def test_the_operators_first_day(
    page: Page, portal: Live, inspector: Inspector, canary: Canary, *, backend: Backend, demo_key: str
) -> None:
    key = demo_key
    live.manage(
        {**portal.environ, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        "createsuperuser", "--noinput", f"--email={ADDRESS}",
    )  # fmt: skip

    is_refused_a_wrong_password(page, inspector)
    seed = sets_up_a_second_factor(page, inspector)
    codes = sees_the_recovery_codes(page, inspector)
    shows_the_second_factor(page, inspector, codes[0])
    api_secret = opens_an_api(page, inspector)
    assert Backend(portal.url, api_secret).validate(key)["code"] == "NOT_FOUND"  # it is another API's
    suspends_and_resumes(page, inspector, backend, key)
    revokes_in_bulk(page, inspector, backend, key)
    reads_what_was_done(page, inspector)

    for secret in (key, backend.api_secret, api_secret):
        canary.remember(secret)
    for text in (portal.log, portal.tables()):
        assert not canary.is_in(text)
        assert not [secret for secret in (seed, PASSWORD, *codes) if secret in text]


def is_refused_a_wrong_password(page: Page, inspector: Inspector) -> None:
    page.goto("/admin/")
    page.get_by_label("E-mail address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill("not the password of root")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".summary")).to_be_focused()
    inspector.look(page, "sign-in-refused")


def sets_up_a_second_factor(page: Page, inspector: Inspector) -> str:
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Set up an authenticator app")).to_be_visible()
    page.get_by_text("Enter it by hand instead").click()
    seed = page.locator("#setup-key").inner_text().strip()
    inspector.look(page, "second-factor")
    page.get_by_label("6\u2011digit code").fill("12345")
    page.get_by_role("button", name="Turn on").click()
    inspector.look(page, "second-factor-refused")
    page.get_by_label("6\u2011digit code").fill(code_of(seed))
    page.get_by_role("button", name="Turn on").click()
    return seed


def sees_the_recovery_codes(page: Page, inspector: Inspector) -> list[str]:
    expect(page.get_by_role("heading", name="Your authenticator app is on")).to_be_visible()
    inspector.look(page, "recovery-codes")
    codes = [line.strip() for line in page.locator("#recovery-codes li").all_inner_texts()]
    assert len(codes) == len(set(codes)) == 10
    with page.expect_download():
        page.get_by_role("link", name="Download").click()
    page.get_by_role("link", name="I have saved them").click()
    expect(page).to_have_url(re.compile("/accounts/2fa/$"))
    inspector.look(page, "security")
    return codes


def shows_the_second_factor(page: Page, inspector: Inspector, recovery_code: str) -> None:
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Operations")).to_be_visible()  # the code of the set-up counts
    page.get_by_role("button", name="Sign out").click()
    page.goto("/admin/")
    page.get_by_label("E-mail address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    inspector.look(page, "admin-second-factor")
    page.locator("#id_code").fill(recovery_code)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile("/admin/$"))
    inspector.look(page, "admin")
    page.get_by_label(re.compile("Find an organization")).fill("nothing has this name")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    inspector.look(page, "admin-nothing-found")


def opens_an_api(page: Page, inspector: Inspector) -> str:
    page.goto("/admin/keys/api/")
    inspector.look(page, "admin-apis")
    page.get_by_role("link", name=re.compile("^Add.*API")).click()
    page.get_by_role("button", name="Save").click()
    inspector.look(page, "admin-api-refused")
    page.get_by_label("Name", exact=True).fill("Parcels")
    page.get_by_label("Identifier", exact=True).fill("https://parcels.example.com")
    page.get_by_label("Name of scope 1").fill("parcels:read")
    expect(page.get_by_label("Name of scope 2")).to_be_hidden()
    page.get_by_role("button", name="Add a scope").click()
    expect(page.get_by_label("Name of scope 2")).to_be_focused()
    page.get_by_label("Name of scope 2").fill("parcels:write")
    page.get_by_label("Add many scopes").fill("labels:read, Read labels\nlabels:write, Print labels [sensitive]")
    page.get_by_role("button", name="Save").click()
    inspector.look(page, "admin-api")
    for scope in ("parcels:read", "parcels:write", "labels:read", "labels:write"):
        expect(page.get_by_role("cell", name=scope, exact=True)).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Name of scope 1").fill("labels:print")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("labels:read is removed: no keys or clients have it.")).to_be_visible()
    inspector.look(page, "admin-scope-removal")
    page.get_by_label("Remove these scopes").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Removed labels:read.")).to_be_visible()
    page.get_by_role("link", name="Issue a secret").click()
    page.get_by_label("Name", exact=True).fill("parcels backend")
    expect(page.get_by_role("radio", name="Live")).to_be_checked()
    inspector.look(page, "admin-secret-issue")
    page.get_by_role("button", name="Issue a secret").click()
    secret = page.locator("#secret-text").inner_text().strip()
    inspector.look(page, "admin-secret")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("link", name=re.compile("Done")).click()
    expect(page.locator("html")).not_to_contain_text(secret)
    inspector.look(page, "admin-secret-page")
    return secret


def suspends_and_resumes(page: Page, inspector: Inspector, backend: Backend, key: str) -> None:
    organization = backend.validate(key)["organization"]
    assert isinstance(organization, dict)
    page.goto("/admin/portal/organization/")
    inspector.look(page, "admin-organizations")
    page.get_by_role("link", name=organization["name"], exact=True).click()
    inspector.look(page, "admin-organization")
    page.get_by_role("link", name="Suspend").click()
    inspector.look(page, "admin-suspend")
    page.get_by_label("Reason").fill("Unpaid since May")
    page.get_by_role("button", name="Suspend").click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert backend.validate(key)["code"] == "ORGANIZATION_SUSPENDED"
    inspector.look(page, "admin-suspended")
    expect(page.get_by_text("Unpaid since May")).to_be_visible()
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert backend.validate(key)["code"] == "VALID"


def revokes_in_bulk(page: Page, inspector: Inspector, backend: Backend, key: str) -> None:
    credential = backend.validate(key)["credential"]
    assert isinstance(credential, dict)
    page.goto("/admin/")
    page.get_by_label(re.compile("Find an organization")).fill(key)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("We have not kept the text.")).to_be_visible()
    expect(page).to_have_url(re.compile("/admin/keys/apikey/[0-9]+/change/$"))
    page.goto("/admin/keys/apikey/")
    page.get_by_role("searchbox").fill(credential["id"])
    page.get_by_role("button", name="Search").click()
    inspector.look(page, "admin-keys")
    page.locator("#action-toggle").check()
    page.get_by_role("combobox", name="Action").select_option(label="Revoke")
    page.get_by_role("button", name="Continue").click()
    inspector.look(page, "admin-revoke")
    page.set_viewport_size(WIDTHS["phone"])
    facts = page.locator(".confirm .wide td").all()
    assert facts
    for fact in facts:
        expect(fact).to_be_visible()
        assert fact.evaluate("fact => fact.getBoundingClientRect().right <= innerWidth")
    page.set_viewport_size(WIDTHS["wide"])
    page.get_by_role("radio", name=re.compile("no longer used", re.IGNORECASE)).check()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert backend.validate(key)["code"] == "REVOKED"


def reads_what_was_done(page: Page, inspector: Inspector) -> None:
    page.goto("/admin/portal/auditevent/")
    inspector.look(page, "admin-audit")
    shown = page.locator("#result_list").inner_text()
    for words in ("suspended the organization", "resumed the organization", "revoked the key"):
        assert words in shown
