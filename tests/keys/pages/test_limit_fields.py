"""Fields of forms that are typed in rows, as a browser draws and sends them."""

import pytest
from django import forms
from django.http import QueryDict
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from keys.pages.forms.limit_fields import QuotaField, RateLimitsField
from keys.rules.field_rules import QuotaLimit, RateLimit
from keys.rules.key_fields import KEY_FIELDS
from portal.ui.row_fields import MetadataField
from tests.keys.rules.test_limit_rows import limits, quotas
from tests.portal.test_metadata import json_values, texts
from tests.support.page import filled_in, the


class RowsForm(forms.Form):
    """A field of each kind."""

    rate_limits = RateLimitsField(KEY_FIELDS["rate_limits"])
    quota = QuotaField(KEY_FIELDS["quota"])
    metadata = MetadataField(KEY_FIELDS["metadata"])


def drawn(form: forms.Form) -> str:
    return "".join(str(form[name]) for name in form.fields)


def sent(html: str, **changes: str | list[str]) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in (filled_in(html) | changes).items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


@hypothesis_settings(max_examples=30)
@given(
    st.lists(limits, max_size=4, unique_by=lambda limit: limit["name"]),
    st.none() | quotas,
    st.dictionaries(texts, texts | json_values, max_size=6),
)
def test_a_form_that_is_sent_as_it_is_drawn_changes_nothing(
    some: list[RateLimit], quota: QuotaLimit | None, metadata: dict[str, object]
) -> None:
    stored = {"rate_limits": some, "quota": quota, "metadata": metadata}
    form = RowsForm(sent(drawn(RowsForm(initial=stored))))
    assert form.is_valid(), form.errors
    assert form.cleaned_data == stored


def test_an_empty_form_gives_empty_values_and_shows_rows_to_fill_in() -> None:
    html = drawn(RowsForm())
    form = RowsForm(sent(html))
    assert form.is_valid()
    assert form.cleaned_data == {"rate_limits": [], "quota": None, "metadata": {}}
    tree = LexborHTMLParser(html)
    rows = [len(block.css(".row")) for block in tree.css(".rows")]
    assert rows == [4, 1, 4]
    assert len(tree.css("[data-spare]")) == 6  # a script draws the first of each


def test_a_first_limit_needs_no_name_and_a_window_that_is_no_unit_can_still_be_chosen() -> None:
    odd = RateLimit(name="default", limit=100, window_s=90)
    tree = LexborHTMLParser(str(RowsForm(initial={"rate_limits": [odd]})["rate_limits"]))
    assert the("[name=rate_limits-name]", tree).attributes["type"] == "hidden"
    assert the("option[selected]", tree).text() == "90 seconds"
    named = LexborHTMLParser(str(RowsForm(initial={"rate_limits": [odd | {"name": "burst"}]})["rate_limits"]))
    name = the("[name=rate_limits-name]", named).attributes
    assert (name["type"], name["maxlength"]) == ("text", "32")


@pytest.mark.parametrize(
    "wrong",
    [
        {
            "rate_limits-limit": ["lots", "", "5"],
            "rate_limits-per": ["60", "60", "7"],
            "rate_limits-name": ["", "", ""],
        },
        {"quota-limit": "lots", "quota-refill": "month"},
        {"metadata-name": ["", ""], "metadata-value": ["billing", ""], "metadata-json": '{"a": '},
        {"rate_limits-limit": ["1", "2"], "rate_limits-per": "moon", "rate_limits-name": "<b>"},
    ],
)
def test_what_was_typed_is_kept_on_errors(wrong: dict[str, str | list[str]]) -> None:
    form = RowsForm(sent(drawn(RowsForm()), **wrong))
    assert not form.is_valid()
    again = filled_in(drawn(form))
    for name, value in wrong.items():
        typed = [each for each in ([value] if isinstance(value, str) else value) if each]
        kept = again[name]
        assert set(typed) <= set([kept] if isinstance(kept, str) else kept)


def test_each_input_of_a_row_has_a_name_of_its_own() -> None:
    labels = [each.attributes["aria-label"] for each in LexborHTMLParser(drawn(RowsForm())).css("[aria-label]")]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize(
    ("typed", "most", "refusal"),
    [
        ("rate_limits-limit", 4, "Use at most 4 rows."),
        ("quota-limit", 1, "Use one row."),
        ("metadata-name", 100, "Use at most 100 rows."),
    ],
)
def test_of_too_many_rows_one_more_than_allowed_is_read_and_drawn(typed: str, most: int, refusal: str) -> None:
    blank = drawn(RowsForm())
    form = RowsForm(sent(blank, **{typed: [f"1{number}" for number in range(10_000)]}))
    assert form.errors == {typed.partition("-")[0]: [refusal]}
    assert filled_in(drawn(form))[typed] == [f"1{number}" for number in range(most + 1)]


def test_blank_rows_do_not_count_as_rows() -> None:
    form = RowsForm(sent(drawn(RowsForm()), **{"quota-limit": ["", "", "10"], "quota-refill": ["none", "none", "day"]}))
    assert form.is_valid(), form.errors
    assert form.cleaned_data["quota"] == {"limit": 10, "refill": "day"}
