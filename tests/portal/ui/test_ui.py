"""Components escape what they are given, tie errors to fields, and need no inline style."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.cookie import CookieStorage
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from selectolax.lexbor import LexborNode

from portal.accounts.sessions import SessionStore
from portal.templatetags import ui, ui_code, ui_data, ui_forms
from portal.ui import styleguide
from portal.ui.charts import Bar
from portal.ui.highlighting import Snippet, highlight
from portal.ui.times import relative_words

EVIL = "<script>alert(1)</script>\"'&"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def one(tree: HTMLParser, selector: str) -> LexborNode:
    """The first element that the selector finds; there has to be one."""
    found = tree.css_first(selector)
    assert found is not None, selector
    return found


def render(text: str, **context: object) -> HTMLParser:
    """The markup of a template text, parsed."""
    return HTMLParser(Template(text).render(Context(context)))


class NameForm(forms.Form):
    """A field, and one of each kind that is drawn in its own way."""

    name = forms.CharField(help_text="What will use it.", widget=forms.TextInput({"autocomplete": "off"}))
    password = forms.CharField(widget=forms.PasswordInput({"autocomplete": "new-password"}), required=False)
    end = forms.ChoiceField(widget=forms.RadioSelect, choices=[("0", "Now"), ("60", EVIL)])


@pytest.mark.parametrize(
    "text",
    [
        "{% button evil title=evil busy=evil %}",
        "{% link_button evil evil %}",
        '{% status evil "ok" %}',
        "{% badge evil %}",
        "{% scopes names 1 %}",
        "{% masked_key evil %}",
        "{% avatar evil %}",
        '{% callout "warn" evil %}{{ evil }}{% endcallout %}',
        "{% empty_state evil %}{{ evil }}{% endempty_state %}",
        "{% page_head evil lead=evil %}{{ evil }}{% endpage_head %}",
        '{% breadcrumbs evil "/" evil %}',
        "{% tabs evil %}{% tab evil evil %}{% endtabs %}",
        "{% menu evil %}{{ evil }}{% endmenu %}",
        "{% figure evil evil evil %}",
        "{% change evil evil names %}",
        '{% event "key" now more=evil %}{{ evil }}{% endevent %}',
        '{% code_block evil "json" evil title=evil %}',
        '{% code "bash" evil %}{{ evil }}{% endcode %}',
        '{% snippet_tabs "call" snippets evil secret=evil %}',
        "{% secret_box evil name=evil %}",
        "{% bar_chart bars evil evil %}",
        "{% mini_bars days evil %}",
        "{% field form.name label=evil hint=evil placeholder=evil %}",
        "{% choices form.end label=evil hint=evil hints=hints %}",
    ],
)
def test_every_component_escapes_what_it_is_given(text: str) -> None:
    snippets = [Snippet(EVIL, "bash", EVIL)]
    tree = render(
        text, evil=EVIL, names=[EVIL, EVIL], now=NOW, snippets=snippets, bars=[Bar(EVIL, 1)], days=[1], form=NameForm(),
        hints={"0": EVIL},
    )  # fmt: skip
    assert not tree.css("script")
    assert not [
        node for node in tree.css("*") if any(name.startswith("on") or name == "style" for name in node.attributes)
    ]


def test_a_field_is_tied_to_its_label_hint_and_errors() -> None:
    tree = render("{% field form.name %}", form=NameForm({}))
    control = one(tree, "input")
    described = (control.attributes["aria-describedby"] or "").split()
    assert [tree.css_first(f"#{name}") is not None for name in described] == [True, True]
    assert control.attributes["aria-invalid"] == "true"
    assert control.attributes["autocomplete"] == "off"
    assert one(tree, "label").attributes["for"] == control.attributes["id"]


def test_a_field_without_errors_says_nothing_of_them() -> None:
    control = one(render("{% field form.name %}", form=NameForm()), "input")
    assert "aria-invalid" not in control.attributes
    assert control.attributes["aria-describedby"] == "id_name-hint"


def test_a_password_can_be_shown_and_managed() -> None:
    tree = render("{% field form.password %}", form=NameForm())
    assert one(tree, "[data-reveal=id_password]").attributes["type"] == "button"
    assert one(tree, "input").attributes["autocomplete"] == "new-password"


def test_choices_are_radios_in_a_named_group_and_each_may_say_what_it_means() -> None:
    tree = render(
        '{% choices form.end hints=hints style="cards" %}', form=NameForm({"end": "60"}), hints={"0": "At once."}
    )
    assert one(tree, "fieldset > legend").text() == "End"
    assert [radio.attributes["value"] for radio in tree.css("input[type=radio]")] == ["0", "60"]
    assert one(tree, "input[checked]").attributes["value"] == "60"
    assert one(tree, ".choice__hint").text() == "At once."


def test_the_error_summary_links_each_field_and_takes_focus() -> None:
    tree = render("{% error_summary form %}", form=NameForm({}))
    assert "data-focus" in one(tree, ".summary").attributes
    assert [link.attributes["href"] for link in tree.css("a")] == ["#id_name", "#id_end"]
    assert [link.text() for link in tree.css("a")] == ["Name: Enter the name.", "End: Choose one of these."]
    assert one(tree, "h2").text() == "There are 2 things to fix"


def test_an_error_of_no_field_is_the_summary_and_is_not_counted() -> None:
    form = NameForm({"name": "a", "end": "0"})
    form.add_error(None, EVIL)
    tree = render("{% error_summary form %}", form=form)
    assert one(tree, ".summary[data-focus]").text() == EVIL
    form.add_error("name", "Choose another.")
    tree = render("{% error_summary form %}", form=form)
    assert one(tree, "h2").text() == "There are 2 things to fix"
    assert [item.text() for item in tree.css("li")] == [EVIL, "Name: Choose another."]


class ShortForm(forms.Form):
    """A form whose errors are seen at once."""

    name = forms.CharField(label="API name")
    end = forms.ChoiceField(widget=forms.RadioSelect, choices=[("0", "Now")])
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)


def test_on_a_short_form_the_first_wrong_field_takes_the_focus_instead_of_a_summary() -> None:
    both = "{% error_summary form %}{% field form.name autofocus=True %}{% choices form.end %}"
    tree = render(both, form=ShortForm({}))
    assert not tree.css(".summary")
    assert [error.text(strip=True) for error in tree.css(".field__error")] == [
        "Enter the API name.",
        "Choose one of these.",
    ]
    assert [node.attributes["id"] for node in tree.css("[autofocus]")] == ["id_name"]
    tree = render(both, form=ShortForm({"name": "a"}))
    assert [node.attributes["id"] for node in tree.css("[autofocus]")] == ["id_end"]


def test_on_a_short_form_an_error_that_no_field_shows_still_has_a_summary() -> None:
    form = ShortForm({"name": "a", "end": "0", "version": "x"})
    assert one(render("{% error_summary form %}", form=form), ".summary a").attributes["href"] == "#id_version"


def test_there_is_no_summary_while_there_is_nothing_to_fix() -> None:
    assert render("{% error_summary form %}", form=NameForm()).css_first(".summary") is None


def test_a_state_is_told_by_word_and_shape() -> None:
    tree = render('{% status "Revoked" "bad" %}')
    assert "badge--dot tone-bad" in (one(tree, ".badge").attributes["class"] or "")
    assert one(tree, ".badge").text() == "Revoked"


@pytest.mark.parametrize("text", ['{% status "Active" "green" %}', '{% button "Go" tone="loud" %}'])
def test_an_unknown_tone_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"no (button )?tone"):
        render(text)


def test_an_icon_is_hidden_from_assistive_technology_and_an_icon_button_has_a_name() -> None:
    tree = render('{% button "Copy" icon="square-2-stack" icon_only=True %}')
    assert one(tree, "svg").attributes["aria-hidden"] == "true"
    assert one(tree, "button").attributes["aria-label"] == "Copy"


def test_a_link_that_opens_the_dialog_is_still_a_link() -> None:
    link = one(render('{% link_button "New key" "/app/keys/new/" dialog=True %}'), "a")
    assert link.attributes["href"] == link.attributes["hx-get"] == "/app/keys/new/"
    assert link.attributes["hx-target"] == "#dialog-body"


def test_code_can_be_scrolled_by_keyboard_and_has_a_name() -> None:
    pre = one(render('{% code "bash" "Install" %}pip install "x"{% endcode %}'), "pre")
    assert (pre.attributes["tabindex"], pre.attributes["role"], pre.attributes["aria-label"]) == (
        "0",
        "region",
        "Install",
    )
    assert pre.text() == 'pip install "x"'


@pytest.mark.parametrize("snippet", styleguide.snippets(styleguide.SAMPLE_SECRET), ids=lambda snippet: snippet.title)
def test_a_secret_in_a_snippet_is_whole_and_concealed(snippet: Snippet) -> None:
    tree = HTMLParser(highlight(snippet.text, snippet.language, conceal=styleguide.SAMPLE_SECRET))
    assert [node.text() for node in tree.css(".concealed")] == [styleguide.SAMPLE_SECRET]
    assert styleguide.SAMPLE_SECRET not in repr(snippet)


def test_the_secret_can_be_saved_without_a_script() -> None:
    link = one(render('{% secret_box secret name="API key" %}', secret="a_b c"), "a[download]")
    assert link.attributes["href"] == "data:text/plain;charset=utf-8,LATCHKEY_API_KEY%3Da_b%20c%0A"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (-59, "just now"), (-60, "1 min ago"), (-3600, "1 h ago"), (-172_800, "2 days ago"),
     (30, "in under a minute"), (3_590, "in 1 h"), (86_398, "in 24 h"), (-86_398, "23 h ago"), (172_790, "in 2 days"),
     (300, "in 5 min"), (432_000, "in 5 days"), (2_592_000, "21 Dec 2026"), (-2_592_000, "22 Oct 2026")],
)  # fmt: skip
def test_times_are_told_relative_to_now(seconds: int, words: str) -> None:
    assert relative_words(NOW + timedelta(seconds=seconds), now=NOW) == words


def test_a_time_carries_its_exact_instant() -> None:
    time = one(render("{% when at %}", at=NOW), "time")
    assert time.attributes["datetime"] == "2026-11-21T12:00:00Z"
    assert time.attributes["title"] == "Sat 21 Nov 2026, 12:00 UTC"


def test_a_time_is_told_in_the_zone_of_whoever_reads_it() -> None:
    with timezone.override("Europe/Berlin"):
        tree = render('{% when at "exact" %}{% when at "day" %}', at=NOW.replace(hour=23))
    exact, day = tree.css("time")
    assert (exact.text(), day.text()) == ("Sun 22 Nov 2026, 00:00 (Sat 23:00 UTC)", "22 Nov 2026")
    assert day.attributes["datetime"] == "2026-11-21T23:00:00Z"


def test_an_avatar_keeps_its_colour_when_the_name_changes() -> None:
    first, second, other = (
        (one(render("{% avatar name of %}", name=name, of=of), ".avatar").attributes["class"] or "").split()[-1]
        for name, of in (("Acme", "org_1"), ("Initech", "org_1"), ("Acme", "org_2"))
    )
    assert first == second != other


def test_never_is_a_word() -> None:
    assert one(render("{% when None %}"), "span").text() == "Never"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/156.0 Safari/537.36", "Chrome on Linux"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32.3", "python-requests/2.32.3"),
        ("orders-sync/1.2 (build 7; Linux)", "orders-sync/1.2"),
        ("", ""),
    ],
)
def test_a_program_is_named_in_short_and_whole_in_the_title(user_agent: str, words: str) -> None:
    shown = one(render("{% agent name %}", name=user_agent), "span")
    assert (shown.text(), shown.attributes["title"] or "") == (words, user_agent)


def test_a_list_of_scopes_that_is_cut_says_how_many_more_there_are() -> None:
    assert "+" not in ui.scopes(["a"], 2)
    assert "<code>b</code><span>+2</span>" in ui.scopes(["a", "b", "c", "d"], 2)
    assert "+" not in ui.scopes(["a", "b", "c", "d"])


def test_all_scopes_are_grouped_if_they_are_many_and_folded_after_twelve_resources() -> None:
    few = [f"r{n}:read" for n in range(12)]
    assert ui.all_scopes(few) == ui.scopes(few)
    grouped = ui.all_scopes([*few, "r0:write"])
    assert "<code>r0: read, write</code><code>r1:read</code>" in grouped
    assert "<details" not in grouped
    folded = ui.all_scopes([*few, "r0:write", "deploy"])
    shown, rest = folded.split("<summary>Show all 14 scopes</summary>")
    assert ("deploy" in shown, "<code>deploy</code>" in rest, rest.count("<code>")) == (False, True, 1)


def test_the_style_guide_shows_every_component() -> None:
    used = set(re.findall(r"{% (\w+)", (settings.BASE_DIR / "templates" / "portal" / "styleguide.html").read_text()))
    names = [name for library in (ui, ui_code, ui_data, ui_forms) for name in library.register.tags]
    # seen inside others, unseen, in every layout
    assert set(names) - used == {"copy_button", "field_errors", "hidden_fields", "logo"}


def test_the_style_guide_is_drawn_with_unique_ids_and_labelled_controls() -> None:
    request = RequestFactory().get("/styleguide/")
    request.session = SessionStore()
    request.user = AnonymousUser()
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    tree = HTMLParser(styleguide.styleguide(request).content)
    ids = [node.attributes["id"] for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))
    named = {label.attributes.get("for") for label in tree.css("label")}
    for control in tree.css("main input:not([type=hidden]), main select, main textarea"):
        inside = control.parent is not None and control.parent.tag == "label"
        assert inside or control.attributes.get("id") in named
