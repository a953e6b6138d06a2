"""What the style sheets and scripts promise: contrast, budgets, layers, nothing inline."""

import gzip
import json
import re
from html import unescape
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CSS, JS, TEMPLATES = ROOT / "static" / "css", ROOT / "static" / "js", ROOT / "templates"
PAGES = sorted(path for path in TEMPLATES.rglob("*.html") if "email" not in path.parent.name)
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", (CSS / "tokens.css").read_text()
    )
}
SURFACES = ("canvas", "surface", "sunken")
TEXT_PAIRS = [
    *[(text, surface) for text in ("fg", "muted", "subtle") for surface in SURFACES],
    *[
        (tone, surface)
        for tone in ("accent", "ok", "warn", "bad", "info")
        for surface in ("canvas", "surface", f"{tone}-bg")
    ],
    ("fg", "raised"),
    ("muted", "raised"),
    ("fg", "accent-bg"),
    ("muted", "accent-bg"),
    ("fg", "ok-bg"),
    ("fg", "warn-bg"),
    ("fg", "bad-bg"),
    ("fg", "info-bg"),
    ("on-primary", "primary"),
    ("on-primary", "primary-hover"),
    ("on-bad-solid", "bad-solid"),
    ("on-bad-solid", "bad-solid-hover"),
]
SHAPE_PAIRS = [
    *[("control", surface) for surface in ("surface", "sunken")],
    *[(f"chart-{number}", "surface") for number in range(1, 6)],
    *[("accent", surface) for surface in SURFACES],
]


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Between 1 and 21."""
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "background"), TEXT_PAIRS)
def test_text_stands_out_from_what_it_is_on(text: str, background: str, theme: int) -> None:
    assert contrast(TOKENS[text][theme], TOKENS[background][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "background"), SHAPE_PAIRS)
def test_shapes_that_mean_something_stand_out(shape: str, background: str, theme: int) -> None:
    assert contrast(TOKENS[shape][theme], TOKENS[background][theme]) >= 2.95  # 3.0, as the table rounds it


def test_the_style_sheets_stay_within_their_budget() -> None:
    sheets = b"".join(path.read_bytes() for path in sorted(CSS.glob("*.css")) if path.name != "admin.css")
    assert len(gzip.compress(sheets)) <= 14 * 1024


def test_the_scripts_stay_within_their_budget() -> None:
    assert len(gzip.compress(b"".join(path.read_bytes() for path in sorted(JS.glob("*.js"))))) <= 8 * 1024


def test_every_script_is_loaded_and_imports_nothing() -> None:
    loaded = set(re.findall(r"js/([a-z-]+\.js)", "".join(page.read_text() for page in PAGES)))
    assert loaded == {path.name for path in JS.glob("*.js")}
    assert not [
        path.name
        for path in JS.glob("*.js")
        if re.search(r"^\s*import\b|\beval\(|innerHTML", path.read_text(), re.MULTILINE)
    ]


def test_every_rule_but_the_tokens_is_in_a_layer() -> None:
    app = (CSS / "app.css").read_text()
    assert app.startswith("@layer reset, base, layout, components, utilities;")
    sheets = {path.name for path in CSS.glob("*.css")} - {"app.css", "tokens.css", "admin.css"}
    assert set(re.findall(r'url\("([a-z]+\.css)"\) layer\(', app)) == sheets


def test_rules_name_roles_and_never_a_colour() -> None:
    allowed = {"#ffffff", "#fff"}
    for path in CSS.glob("*.css"):
        if path.name not in {"tokens.css", "admin.css"}:
            plain = re.sub(r"light-dark\([^;]*\)", "", path.read_text())
            assert set(re.findall(r"#[0-9a-f]{3,8}\b", plain)) <= allowed, path.name
            assert "!important" not in plain, path.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_page_carries_an_inline_style_script_or_handler(page: Path) -> None:
    text = re.sub(r"{%.*?%}", "", page.read_text())
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|hx-on|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_form_that_posts_carries_its_token(page: Path) -> None:
    for form in re.findall(r'<form\b[^>]*method="post".*?</form>', page.read_text(), re.DOTALL):
        assert "csrf_token" in form or "slot body" in form


def test_htmx_runs_under_a_strict_policy_and_keeps_no_page() -> None:
    base = (TEMPLATES / "layouts" / "base.html").read_text()
    match = re.search(r"name=\"htmx-config\" content='([^']+)'", base)
    assert match
    config = json.loads(unescape(match[1]))
    assert config["allowEval"] is False
    assert config["includeIndicatorStyles"] is False
    assert config["disableInheritance"] is True
    assert config["historyCacheSize"] == 0
    assert config["selfRequestsOnly"] is True
    assert {"code": "422", "swap": True} in config["responseHandling"]
