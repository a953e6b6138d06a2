"""Fields of forms for rate limits and quotas: a number, and a select for its period."""

from typing import Any

from django import forms

from keys.rules.field_rules import MAX_LIMIT_NAME_CHARS, MAX_RATE_LIMITS
from keys.rules.limit_rows import UNITS, window_words
from portal.fields import Field
from portal.ui.row_fields import Column, OpenSelect, RowsField, RowsInput

PERIODS = {"none": "in all", "day": "each day", "month": "each month"}


class RateLimitsField(RowsField):
    """Rate limits: for each a number of requests, a unit of time, and from the second on a name."""

    def __init__(self, field: Field, **kwargs: Any) -> None:
        units = [(str(seconds), unit) for seconds, unit in UNITS.items()]
        name = forms.TextInput({"placeholder": "Name (optional)", "maxlength": MAX_LIMIT_NAME_CHARS})
        columns = [
            Column("limit", "Requests", _digits("100")),
            Column("per", "Per", OpenSelect(units, window_words), initial="60", before="per"),
            Column("name", "Name of limit", name, in_first=False),
        ]
        rows = RowsInput(columns, shown=MAX_RATE_LIMITS, most=MAX_RATE_LIMITS, add="Add a limit")
        super().__init__(field, widget=rows, **kwargs)


class QuotaField(RowsField):
    """A quota: a number of uses, in all or each day or month."""

    def __init__(self, field: Field, **kwargs: Any) -> None:
        columns = [
            Column("limit", "Uses", _digits("10000")),
            Column("refill", "Period", OpenSelect(PERIODS.items(), str), initial="none"),
        ]
        super().__init__(field, widget=RowsInput(columns), **kwargs)


def _digits(placeholder: str) -> forms.TextInput:
    return forms.TextInput({"inputmode": "numeric", "autocomplete": "off", "placeholder": placeholder})
