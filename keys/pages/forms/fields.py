"""Shared by several forms: fields for typed values and for instants, and refusals shown at the right field."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import lazy

from keys.services.errors import Invalid, Refused
from portal.fields import Field

Given = TypeVar("Given")
Cleaned = TypeVar("Cleaned")
DATE = "date"
# Fields of services that the forms ask for under another name.
_ASKED_AS = {"expires_at": "lifetime", "grants": "api"}


class TypedField(forms.CharField):
    """An editable field that is typed as text; its table entry parses the text and spells the value."""

    def __init__(self, field: Field, **kwargs: Any) -> None:
        super().__init__(**{"label": field.label, "required": False, **kwargs})
        self.field = field

    def clean(self, value: object) -> Any:
        return valid(self.field.parse, super().clean(value))

    def prepare_value(self, value: object) -> object:
        """Spell a stored value. A submitted text stays as it is."""
        return value if value is None or isinstance(value, str) else self.field.spell(value)


class MomentInput(forms.DateTimeInput):
    """An input for a date and a time to the minute."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class MomentField(forms.DateTimeField):
    """An instant, typed as date and time in the person's time zone, which the label names; in UTC without one."""

    widget = MomentInput

    def __init__(self, label: str, **kwargs: Any) -> None:
        formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]
        super().__init__(label=_with_zone(label), required=False, input_formats=formats, **kwargs)


def _in_zone(label: str) -> str:
    return f"{label} ({timezone.get_current_timezone_name()})"


_with_zone = lazy(_in_zone, str)  # one form class serves people in many zones


class BarringRadios(forms.RadioSelect):
    """Radios of which those in ``barred`` cannot be chosen."""

    barred: Collection[str] = ()

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if value in self.barred:
            option["attrs"]["disabled"] = True
        return option


def asked_as(field: str) -> str:
    """Return the name under which forms ask for a field of a service."""
    return _ASKED_AS.get(field, field)


def refuse(form: forms.Form, refusal: Refused) -> None:
    """Add a service's refusal to the form: at its field if the form has that field, else at the top."""
    field = asked_as(refusal.field) if isinstance(refusal, Invalid) else None
    form.add_error(field if field in form.fields else None, str(refusal))


def valid(clean: Callable[[Given], Cleaned], value: Given) -> Cleaned:
    """Clean the value with a pure rule; its ValueError becomes the field's error message."""
    try:
        return clean(value)
    except ValueError as exc:
        raise ValidationError(str(exc)) from None


def choose(form: forms.Form, name: str, choices: Sequence[tuple[str, str | Sequence[tuple[str, str]]]]) -> None:
    """Set the choices of a choice field; a label with a sequence is a group."""
    form.fields[name].choices = choices  # type: ignore[attr-defined]  # a ChoiceField


def bar(form: forms.Form, name: str, barred: Collection[str]) -> None:
    """Bar choices of a field with ``BarringRadios``."""
    form.fields[name].widget.barred = barred  # its widget is BarringRadios
