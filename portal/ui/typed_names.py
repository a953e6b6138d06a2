"""Ask a person to type the name of the object before it is ended, so that nobody ends one by habit."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from portal.names import is_same_name

MAX_TYPED_CHARS = 400  # longer than any name: pasted text may hold characters that are not stored


class TypedNameForm(forms.Form):
    """Type the name as pages show it; ``expect`` sets which name."""

    name = forms.CharField(
        max_length=MAX_TYPED_CHARS,
        widget=forms.TextInput({"autocomplete": "off"}),
        error_messages={"required": "Type the name."},
    )

    def __init__(self, *args: Any, expected_name: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expect(expected_name)

    def expect(self, name: str) -> None:
        """Set the name that must be typed."""
        self._expected = name
        self.fields["name"].label = f"Type the name {name} to confirm"

    def clean_name(self) -> str:
        """Return the typed text if it looks like the expected name; else raise ValidationError."""
        typed: str = self.cleaned_data["name"]
        if not is_same_name(typed, self._expected):
            raise ValidationError("The name is another one.")
        return typed
