"""What several forms share: instants typed as date and time, and what a service refused, told at its field."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError

from keys.services.errors import Invalid, Refused

Given = TypeVar("Given")
Cleaned = TypeVar("Cleaned")
DATE = "date"
# Where what a service calls one thing is asked for as another.
_ASKED_AS = {"expires_at": "lifetime"}


class MomentInput(forms.DateTimeInput):
    """A date and a time to the minute."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class MomentField(forms.DateTimeField):
    """An instant of UTC, typed as date and time."""

    widget = MomentInput

    def __init__(self, **kwargs: Any) -> None:
        formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]
        super().__init__(required=False, input_formats=formats, **kwargs)

    def prepare_value(self, value: object) -> object:
        """Instants are shown in UTC, whatever the server's zone."""
        return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def refuse(form: forms.Form, refusal: Refused) -> None:
    """Tell what the service refused, at its field where the form has it."""
    field = _ASKED_AS.get(refusal.field, refusal.field) if isinstance(refusal, Invalid) else None
    form.add_error(field if field in form.fields else None, str(refusal))


def valid(clean: Callable[[Given], Cleaned], value: Given) -> Cleaned:
    """The cleaned value; what the pure check says of a bad one is what the person reads."""
    try:
        return clean(value)
    except ValueError as exc:
        raise ValidationError(str(exc)) from None


def choose(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    """Give a field of choices its choices."""
    form.fields[name].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
