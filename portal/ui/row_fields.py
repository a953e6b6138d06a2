"""A form field whose value is typed in rows of inputs, such as a number and its unit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from portal.fields import Field, Rows
from portal.metadata import MAX_METADATA_CHARS


@dataclass(frozen=True)
class Column:
    """One input of each row. The first row has it only if ``in_first`` is true or the input has a value."""

    name: str
    label: str
    widget: forms.Widget
    initial: str = ""  # the value in a blank row
    before: str = ""  # a word between the input before and this one
    in_first: bool = True

    @property
    def is_text(self) -> bool:
        return not isinstance(self.widget, forms.Select)


class OpenSelect(forms.Select):
    """A select that also offers its current value, which ``words`` describes."""

    def __init__(self, choices: Iterable[tuple[str, str]], words: Callable[[str], str]) -> None:
        super().__init__(choices=choices)
        self._words = words

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        groups = super().optgroups(name, value, attrs)
        others = set(value) - {each for each, _ in self.choices}
        options = [self.create_option(name, each, self._words(each), selected=True, index=0) for each in others]
        return [*groups, *((None, [option], 0) for option in options)]


class SeveralInputs(forms.Widget):
    """A widget whose value a browser sends under several names."""

    use_fieldset = True

    def sent_names(self, name: str) -> list[str]:
        """Return these names, for a field of this name."""
        raise NotImplementedError


def sent_names(name: str, field: forms.Field) -> list[str]:
    """Return the names under which a browser sends the field's value."""
    return field.widget.sent_names(name) if isinstance(field.widget, SeveralInputs) else [name]


class RowsInput(SeveralInputs):
    """Rows of inputs, whose value is ``Rows``.

    Inputs of one column have one name. At least ``shown`` rows are drawn; those after the first that are blank wait
    for ``static/js/rows.js`` to bring them, up to ``most``. ``add`` is the label of the button for that. One row more
    than ``most`` is read, for ``RowsField`` to refuse.
    """

    template_name = "portal/_rows.html"

    def __init__(self, columns: Sequence[Column], *, shown: int = 1, most: int = 1, add: str = "") -> None:
        super().__init__()
        self.most = most
        self._columns = columns
        self._shown, self._add = shown, add

    def sent_names(self, name: str) -> list[str]:
        return [f"{name}-{column.name}" for column in self._columns]

    def value_from_datadict(self, data: Any, files: object, name: str) -> Rows:  # noqa: ARG002  # Django's own signature
        """Return the rows that are not blank."""
        sent = [data.getlist(f"{name}-{column.name}") for column in self._columns]
        texts = [number for number, column in enumerate(self._columns) if column.is_text]
        rows = (row for row in zip_longest(*sent, fillvalue="") if any(row[number].strip() for number in texts))
        return Rows(list(islice(rows, self.most + 1)))

    def get_context(self, name: str, value: Rows | None, attrs: dict[str, Any] | None) -> dict[str, Any]:
        filled = value.cells if value else ()
        blank = [column.initial for column in self._columns]
        drawn = max(self._shown, min(len(filled) + 1, self.most))
        rows = [*filled, *[blank] * (drawn - len(filled))]
        context = super().get_context(name, None, attrs)
        context["widget"] |= {
            "rows": [
                {"cells": self._cells(name, cells, number, attrs or {}), "is_spare": number > max(len(filled), 1)}
                for number, cells in enumerate(rows, start=1)
            ],
            "most": self.most,
            "add": self._add,
        }
        return context

    def _cells(self, name: str, row: Sequence[str], number: int, attrs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what the template needs of each input of the row."""
        found = []
        for column, value in zip(self._columns, row, strict=True):
            widget = column.widget if column.in_first or number > 1 or value else forms.HiddenInput()
            label = column.label if self.most == 1 else f"{column.label} {number}"
            drawn = _drawn(widget, f"{name}-{column.name}", value, label, attrs)
            found.append({"widget": drawn, "before": column.before if widget is column.widget else ""})
        return found


class MetadataInput(RowsInput):
    """Rows of a name and a text, and a JSON object with the values that are no texts."""

    template_name = "portal/_metadata_rows.html"

    def __init__(self) -> None:
        plain = {"spellcheck": "false", "autocapitalize": "off"}
        columns = [
            Column("name", "Name", forms.TextInput({"placeholder": "team", **plain})),
            Column("value", "Value", forms.TextInput({"placeholder": "billing", **plain}), before="is"),
        ]
        super().__init__(columns, shown=4, most=100, add="Add a value")
        self._json = forms.Textarea({"rows": 3, "maxlength": MAX_METADATA_CHARS, **plain})

    def sent_names(self, name: str) -> list[str]:
        return [*super().sent_names(name), f"{name}-json"]

    def value_from_datadict(self, data: Any, files: object, name: str) -> Rows:
        """Return the rows that are not blank, and the JSON."""
        text = data.get(f"{name}-json", "")
        return Rows(super().value_from_datadict(data, files, name).cells, text if text.strip() else "")

    def get_context(self, name: str, value: Rows | None, attrs: dict[str, Any] | None) -> dict[str, Any]:
        text = value.text if value else ""
        json = _drawn(self._json, f"{name}-json", text, "Values as JSON", attrs or {})
        return super().get_context(name, value, attrs) | {"json": json, "is_open": bool(text)}


class RowsField(forms.Field):
    """An editable field that is typed in rows; its table entry reads the rows and writes the value as rows."""

    def __init__(self, field: Field, *, widget: RowsInput, **kwargs: Any) -> None:
        super().__init__(**{"label": field.label, "required": False, "widget": widget, **kwargs})
        self.field = field
        self._most = widget.most

    def clean(self, value: Rows) -> Any:
        """Return the value; a ValueError of the table becomes the field's error."""
        if len(value.cells) > self._most:
            raise ValidationError("Use one row." if self._most == 1 else f"Use at most {self._most} rows.")
        try:
            return self.field.parse(value)
        except ValueError as exc:
            raise ValidationError(str(exc)) from None

    def prepare_value(self, value: Any) -> Rows | None:
        """Write a stored value as rows. What was submitted stays as it is."""
        return value if value is None or isinstance(value, Rows) else self.field.spell(value)


class MetadataField(RowsField):
    """Metadata, typed as names with texts, or as JSON."""

    def __init__(self, field: Field, **kwargs: Any) -> None:
        super().__init__(field, widget=MetadataInput(), **kwargs)


def _drawn(widget: forms.Widget, name: str, value: str, label: str, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the widget's template needs."""
    shared = {each: attrs[each] for each in attrs if each != "id"}
    drawn: dict[str, Any] = widget.get_context(name, value, {**shared, "aria-label": label})["widget"]
    return drawn
