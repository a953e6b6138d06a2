"""A browser, a portal that really runs, and an eye on everything the browser complains about."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.conftest import CHROMIUM
from tests.support import live
from tests.support.backend import Backend
from tests.support.canary import Canary
from tests.support.live import Live

WIDTHS: dict[str, ViewportSize] = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 780}}
FAULTS = {"preload": False, "resultTypes": ["violations"]}  # to preload is to fetch what our policy forbids
COLOURS = "color-contrast"  # most of the time: asked of each theme once, since a phone shows the same colours
Look = tuple[str, Literal["light", "dark"]]
RULES: dict[Look, object] = {
    ("wide", "light"): FAULTS,
    ("wide", "dark"): FAULTS | {"runOnly": {"type": "rule", "values": [COLOURS]}},
    ("phone", "light"): FAULTS | {"rules": {COLOURS: {"enabled": False}}},
    ("phone", "dark"): None,  # a picture is all
}
IN_EACH_RUN: dict[Look, object] = {("wide", "light"): None, ("phone", "light"): None}
WITH_AXE = IN_EACH_RUN | {("wide", "light"): FAULTS}
FIND = "async options => ({ violations: (await axe.run(options)).violations })"  # the rest is long and slow to pass on
PATIENCE_MS = 30_000  # a busy machine is no failure
UNDER_WAY = ".htmx-request, .htmx-swapping, .htmx-settling"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"]
QUIET += ["--disable-background-networking", "--disable-sync"]  # it would call home, from a machine that has no way out


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers take their time."""
    for item in items:
        if "journeys" in item.path.parts:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="package")
def with_demo() -> Iterator[tuple[str, dict[str, Any]]]:
    """A database with the demo's data."""
    with live.database_with_demo() as made:
        yield made


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory, with_demo: tuple[str, dict[str, Any]]) -> Iterator[Live]:
    """A portal for all journeys; each brings people and organizations of its own."""
    with live.portal(tmp_path_factory.mktemp("portal"), database_url=with_demo[0]) as running:
        yield running


@pytest.fixture(scope="package")
def demo(with_demo: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """The demo's data; its keys are for journeys that ask for ``demo_key``."""
    return with_demo[1]


@pytest.fixture
def demo_key(demo: dict[str, Any], canary: Canary) -> str:
    """A key of the demo's organization that no other journey touches."""
    secret: str = demo["api_keys"].pop(0)
    canary.remember(secret)
    return secret


@pytest.fixture(scope="package")
def backend(portal: Live, demo: dict[str, Any]) -> Backend:
    """The API behind those keys."""
    return Backend(portal.url, demo["api"]["secret"])


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium, as long as the journeys: while its driver's event loop runs, Django has no database."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser, portal: Live) -> Iterator[BrowserContext]:
    """A profile without a past."""
    context = browser.new_context(base_url=portal.url, viewport=WIDTHS["wide"], reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


class Inspector:
    """Looks at pages as people do who see little, in both themes and on both widths; hears what the console says."""

    def __init__(self, folder: Path | None, rules: Mapping[Look, object]) -> None:
        self.complaints: list[str] = []
        self._rules = rules
        self.expected = ["422"]  # a form that was refused
        self._folder = folder

    def hear(self, complaint: str) -> None:
        """Remember what the browser complains of."""
        # Chromium logs answers as well; one that the journey is after is no fault.
        if not re.match(rf"Failed to load resource.*\b({'|'.join(self.expected)})\b", complaint):
            self.complaints.append(complaint)

    def look(self, page: Page, name: str) -> None:
        """Fail for anything axe finds, and for a page that is wider than its window.

        Where pictures are wanted, as in ``make prove``, axe sees all pages in both themes and on both widths. Elsewhere
        it sees those of the journeys marked ``axe``, once.
        """
        page.wait_for_load_state()  # a click has waited until the page it leads to began to come
        expect(page.locator(UNDER_WAY)).to_have_count(0)
        if any(self._rules.values()):
            page.evaluate(AXE_SCRIPT)
        for (width, theme), options in self._rules.items():
            page.set_viewport_size(WIDTHS[width])
            page.emulate_media(color_scheme=theme)
            if self._folder:
                picture = self._folder / f"{name}-{width}-{theme}.png"
                page.screenshot(path=picture, full_page=True, caret="initial")  # hiding it takes an inline style
            if options:
                found = AxeResults(page.evaluate(FIND, options))
                assert found.violations_count == 0, f"{name}, {width}, {theme}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                f"{name} is too wide on a {width}"
            )
        page.set_viewport_size(WIDTHS["wide"])
        page.emulate_media(color_scheme="light")


@pytest.fixture
def inspector(request: pytest.FixtureRequest) -> Inspector:
    """Pictures go to ``SCREENSHOTS``, where that names a folder."""
    if not (folder := os.environ.get("SCREENSHOTS")):
        return Inspector(None, WITH_AXE if request.node.get_closest_marker("axe") else IN_EACH_RUN)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Inspector(Path(folder), RULES)


@pytest.fixture
def page_without_scripts(browser: Browser, portal: Live) -> Iterator[Page]:
    """A tab of a browser that runs no script."""
    context = browser.new_context(base_url=portal.url, viewport=WIDTHS["wide"], java_script_enabled=False)
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(context: BrowserContext, inspector: Inspector) -> Iterator[Page]:
    """A tab; a message of the console about the policy, or an error in a script, fails the test."""
    page = context.new_page()
    page.on("console", lambda message: inspector.hear(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: inspector.hear(str(error)))
    yield page
    assert inspector.complaints == []
