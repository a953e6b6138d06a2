"""Every page, with awkward data: nothing is cut, nothing sticks out, nothing scrolls sideways, and axe is clean."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.conftest import CHROMIUM
from tests.journeys.conftest import COLOURS, FAULTS, PATIENCE_MS, QUIET
from tests.support import live
from tests.support.awkward_pages import Visit, Visits, fill
from tests.support.canary import Canary

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium; install Debian's package chromium-headless-shell"),
]
TABS = 2  # at a time, each in a browser of its own
WIDTHS = (1440, 1280, 1024, 720, 360)
PICTURED = (1280, 360)
HEIGHT = 900
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
AXE: dict[tuple[int, str], object] = {
    (1280, "light"): FAULTS,
    (1280, "dark"): FAULTS | {"runOnly": {"type": "rule", "values": [COLOURS]}},
    (360, "light"): FAULTS | {"rules": {COLOURS: {"enabled": False}}},
}
# Of many elements that are alike, the first eight stand for all.
MARK_ALIKE = """() => {
  for (const parent of document.querySelectorAll("main *, #content *")) {
    if (parent.children.length > 12) [...parent.children].slice(8).forEach(each => each.dataset.alike = "");
  }
}"""
FIND = 'async options => (await axe.run({ exclude: [["[data-alike]"]] }, options)).violations'
LAYOUT = (Path(live.__file__).parent / "layout.js").read_text()
UNFOLD = """() => {
  const folded = document.querySelectorAll("main details:not([open], .menu)");
  folded.forEach(each => each.open = true);
  return folded.length;
}"""
# Routes that nobody gets a page from: they take forms alone, lead elsewhere, answer programs or are shut to everybody.
NO_PAGES = {
    "account_change_password", "account_confirm_login_code", "account_email_verification_sent",
    "account_end_other_sessions", "account_reauthenticate", "change_password", "clients:end_secret",
    "clients:extend_secret", "clients:overlap", "clients:pause", "clients:resume", "clients:token_revocation",
    "keys:activity_export", "keys:end_secret", "keys:extend_secret", "keys:first_use", "keys:overlap", "keys:pause",
    "keys:resume", "mfa_authenticate", "mfa_deactivate_totp", "mfa_edit_webauthn", "mfa_login_webauthn",
    "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_remove_webauthn", "mfa_signup_webauthn",
    "organization_switch", "robots", "team:invitation_resending", "team:invitation_revocation", "team:invited",
    "team:invited_acceptance", "team:invited_declining", "team:invited_link", "team:invited_switch", "theme",
}  # fmt: skip
# In admin, these lead elsewhere too, and nothing there is deleted; some things are not added there either.
NO_PAGES_OF_ADMIN = re.compile(
    r"admin:(None|login|logout|password_change|password_change_done|autocomplete|jsi18n|view_on_site|app_list|\w+_(delete|history)"
    r"|(keys_apikey|keys_apisecret|oauth_client|oauth_signingkey|portal_auditevent|portal_organization|portal_user)_add)"
)


class Finding(NamedTuple):
    """Something wrong on a page: at which width and theme, by which rule, where, by how much."""

    page: str
    look: str
    rule: str
    where: str
    by: int
    text: str


def test_every_page_holds_with_awkward_data(tmp_path: Path, canary: Canary, prove: Callable[[str], None]) -> None:
    began = time.monotonic()
    with live.database() as url, live.portal(tmp_path, database_url=url) as portal:
        visits = fill(portal, canary)
        with ThreadPoolExecutor(TABS) as pool:
            shares = list(pool.map(lambda tab: _look_at_share(portal.url, visits, tab), range(TABS)))
    opened = [visit for share, _ in shares for visit in share]
    findings = [finding for _, found in shares for finding in found]
    lines = _lines(findings)
    took = time.monotonic() - began
    prove(f"{len(opened)} pages with awkward data: {len(lines)} findings, {took:.0f} s")
    if path := os.environ.get("FINDINGS"):
        Path(path).write_text("\n".join(lines) + "\n")
    assert lines == [], "\n" + "\n".join(lines)
    unopened = {visit.name for visit in visits.routes} - {visit.name for visit in opened}
    assert {name for name in unopened if not NO_PAGES_OF_ADMIN.fullmatch(name)} == NO_PAGES


def _lines(findings: Sequence[Finding]) -> list[str]:
    """One line for each page, rule and place."""
    alike: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        alike[finding.page, finding.rule, finding.where].append(finding)
    lines = []
    for (page, rule, where), found in sorted(alike.items()):
        worst = max(found, key=lambda each: each.by)
        looks = ", ".join(dict.fromkeys(each.look for each in found))
        lines.append(f"{page} | {looks} | {rule} | {where} | by {worst.by} px, such as {worst.text!r}")
    return lines


def _look_at_share(url: str, visits: Visits, tab: int) -> tuple[list[Visit], list[Finding]]:
    """Look at this tab's share of the pages; returns the pages and the findings."""
    opened: list[Visit] = []
    findings: list[Finding] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for person in dict.fromkeys(visit.person for visit in (*visits.routes, *visits.special)):
            context = browser.new_context(base_url=url, reduced_motion="reduce")
            context.set_default_timeout(PATIENCE_MS)
            if person in visits.sessions:
                context.add_cookies([{"name": visits.cookie, "value": visits.sessions[person], "url": url}])
            page = context.new_page()
            for visit in _pages(context, visits, person)[tab::TABS]:
                page.goto(visit.path)
                findings += _look(page, f"{visit.name} ({person})")
                opened.append(visit)
            context.close()
        browser.close()
    return opened, findings


def _pages(context: BrowserContext, visits: Visits, person: str) -> list[Visit]:
    """The routes that give this person a page, and the special pages."""
    routes = [visit for visit in visits.routes if visit.person == person and _is_page(context, visit.path)]
    return [*routes, *(visit for visit in visits.special if visit.person == person)]


def _is_page(context: BrowserContext, path: str) -> bool:
    response = context.request.get(path, max_redirects=0)
    return response.status == 200 and "html" in response.headers["content-type"] and "<html" in response.text()


def _look(page: Page, name: str) -> Iterator[Finding]:
    """Look at the page in each theme and width, then at what is folded on it."""
    page.evaluate(AXE_SCRIPT)
    page.evaluate(MARK_ALIKE)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            look = f"{width} {theme}"
            yield from _layout(page, name, look)
            if options := AXE.get((width, theme)):
                yield from _violations(page, name, look, options)
            if width in PICTURED:
                _take_picture(page, f"{name}-{width}-{theme}")
    if page.evaluate(UNFOLD):
        for width in PICTURED:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            yield from _layout(page, name, f"{width} unfolded")


def _layout(page: Page, name: str, look: str) -> Iterator[Finding]:
    for found in page.evaluate(LAYOUT):
        yield Finding(name, look, **found)


def _violations(page: Page, name: str, look: str, options: object) -> Iterator[Finding]:
    for violation in page.evaluate(FIND, options):
        for node in violation["nodes"]:
            yield Finding(name, look, f"axe: {violation['id']}", str(node["target"][0]), 0, node["html"][:60])


def _take_picture(page: Page, name: str) -> None:
    """Keep a picture in the folder ``SCREENSHOTS``, where that is named."""
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        path = Path(folder) / f"awkward-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
        page.screenshot(path=path, full_page=True, caret="initial")  # hiding the caret takes an inline style
