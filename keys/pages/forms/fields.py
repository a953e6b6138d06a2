"""Shared by several forms: fields for typed values and for instants, and refusals shown at the right field."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys.services.errors import Invalid, Refused
from portal.fields import Field
from portal.moments import clean_moment, moment_in
from portal.ui.times import in_zone, zone_names

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


class MomentField(forms.DateTimeField):
    """An instant, typed as date and time in the current time zone.

    ``is_end`` chooses the later one of two instants that the clocks show alike. A text that was not changed keeps the
    instant that the form showed, with its seconds. ``MomentsForm`` sets that instant, and adds the zone to the label.
    """

    widget = MomentInput
    shown: datetime | None = None

    def __init__(self, label: str, *, is_end: bool, **kwargs: Any) -> None:
        super().__init__(label=label, required=False, **kwargs)
        self._is_end = is_end

    def prepare_value(self, value: object) -> object:
        """Spell the instant as the clocks of the zone show it. A submitted text stays as it is."""
        if isinstance(value, datetime):
            local = in_zone(value, timezone.get_current_timezone())
            return local.replace(tzinfo=None).isoformat(timespec="minutes")
        return value

    def to_python(self, value: object) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        if self.shown and text == self.prepare_value(self.shown):
            return self.shown
        try:
            typed = parse_datetime(text)
        except ValueError:  # a day or an hour that does not exist
            typed = None
        if typed is None:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        if typed.tzinfo:
            return valid(clean_moment, typed)
        return valid(partial(moment_in, timezone.get_current_timezone(), is_end=self._is_end), typed)


class MomentsForm(forms.Form):
    """A form with moments. It is read in the time zone in which it was drawn, which a hidden field names."""

    zone = forms.CharField(required=False, widget=forms.HiddenInput, initial=timezone.get_current_timezone_name)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if isinstance(field, MomentField):
                field.label = f"{field.label} ({self._zone_name})"
                field.shown = self.initial.get(name)

    def full_clean(self) -> None:
        """Check the form in its zone."""
        with timezone.override(self._zone_name):
            super().full_clean()

    @property
    def _zone_name(self) -> str:
        """The zone in which the form was drawn; the current one, if the form is new or names no zone that we know."""
        name = self["zone"].value()
        return name if name in zone_names() else timezone.get_current_timezone_name()


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
